// Resets that wait for what is in front of them, and for how long.

import { Lingering } from "../core/relay/lingering.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { Errno } from "../ffi/errno.ts";
import { send } from "../ffi/socket.ts";
import { assertEquals } from "./support/assert.ts";
import { type Stage, testOnStage } from "./support/stage.ts";

/** Writes until the kernel takes nothing more: how many bytes those were. */
function fill(socket: StreamSocket): number {
  const chunk = new Uint8Array(1 << 16);
  let sent = 0;
  for (let count = send(socket.fd, chunk); count > 0; count = send(socket.fd, chunk)) sent += count;
  return sent;
}

/** Registers a test with a reset that waits for a peer which has not read what fills all buffers. */
function testReset(
  name: string,
  body: (
    scene: ReturnType<Stage["connect"]> & { lingering: Lingering; sent: number; closed: number },
    stage: Stage,
  ) => void,
): void {
  testOnStage(name, (stage) => {
    const { socket, peer } = stage.connect(4096);
    const scene = { socket, peer, lingering: new Lingering(stage.loop), sent: fill(socket), closed: 0 };
    scene.lingering.reset(socket, () => scene.closed++);
    stage.step(2);
    assertEquals([scene.lingering.size, scene.closed], [1, 0]);
    body(scene, stage);
    assertEquals([scene.lingering.size, scene.closed], [0, 1]);
    stage.advance(100);
    assertEquals(stage.loop.timers.size, 0, "nothing is looked at any more");
  });
}

testReset("a reset comes behind everything that was written", (s, stage) => {
  stage.until(() => s.peer.read().state !== "open", "the reset");
  assertEquals([s.peer.count, s.peer.state], [s.sent, Errno.ECONNRESET]);
});

testReset("a peer that does not read is reset after five seconds", (s, stage) => {
  for (let i = 0; i < 4; i++) stage.advance(1000);
  assertEquals(s.closed, 0);
  for (let i = 0; i < 2; i++) stage.advance(1000);
  assertEquals(s.closed, 1);
});

testReset("a peer that resets ends the waiting", (s, stage) => {
  s.peer.reset();
  stage.until(() => s.closed > 0, "the end");
});

testOnStage("a reset with nothing in front of it comes at once", (stage) => {
  const { socket, peer } = stage.connect();
  const lingering = new Lingering(stage.loop);
  let closed = 0;
  lingering.reset(socket, () => closed++);
  assertEquals([lingering.size, closed], [0, 1]);
  stage.until(() => peer.read().state !== "open", "the reset");
  assertEquals(peer.state, Errno.ECONNRESET);
});

testOnStage("what moves, however slowly, has a minute", (stage) => {
  const lingering = new Lingering(stage.loop);
  let [moved, gaveUp] = [0, 0];
  lingering.add({ progress: () => moved++, giveUp: () => gaveUp++ });
  for (let i = 0; i < 59; i++) stage.advance(1000);
  assertEquals([lingering.size, gaveUp], [1, 0]);
  for (let i = 0; i < 2; i++) stage.advance(1000);
  assertEquals([lingering.size, gaveUp], [0, 1]);
});
