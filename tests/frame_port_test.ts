// The frames of many ProxyConns through one port: whatever comes in pieces, each gets its own.

import { PROXY_FRAME_BYTES } from "../core/protocol/proxy_frame.ts";
import { FramePort } from "../core/relay/frame_port.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { noise } from "./support/bytes.ts";
import { testOnStage } from "./support/stage.ts";

const bytesOf = ({ buffer }: DataView) => new Uint8Array(buffer.slice(0, PROXY_FRAME_BYTES) as ArrayBuffer);

/** Sends frames until the socket takes no more, and says how many. */
function fill(port: FramePort, socket: StreamSocket, frame: Uint8Array): number {
  let frames = 0;
  for (; !port.hasUnsent(socket); frames++) assert(port.send(socket, frame));
  return frames;
}

testOnStage("frames that come in pieces at the same time are put together each for itself", (stage) => {
  const port = new FramePort();
  const conns = [1, 2, 3].map((seed) => ({ ...stage.connect(), frame: noise(seed, PROXY_FRAME_BYTES) }));
  for (const [from, to] of [[0, 5], [5, 15]]) {
    for (const { peer, frame } of conns) peer.send(frame.subarray(from, to));
    stage.step(2);
    for (const { socket } of conns) assertEquals([port.receive(socket), socket.readable], [0, false]);
  }
  for (const { peer, frame } of conns) peer.send(frame.subarray(15));
  stage.step(2);
  for (const { socket, frame } of conns.reverse()) {
    assertEquals([port.receive(socket), bytesOf(port.frame)], [1, frame]);
    assertEquals(port.receive(socket), 0, "nothing is left of it");
  }
});

testOnStage("a piece of a frame that is forgotten is in nobody's next one", (stage) => {
  const port = new FramePort();
  const { socket, peer } = stage.connect();
  peer.sendAll("a piece");
  stage.step(2);
  assertEquals(port.receive(socket), 0);
  port.forget(socket);
  const frame = noise(1, PROXY_FRAME_BYTES);
  peer.send(frame);
  stage.step(2);
  assertEquals([port.receive(socket), bytesOf(port.frame)], [1, frame]);
});

testOnStage("frames that one socket does not take wait for it alone, and arrive in order", (stage) => {
  const port = new FramePort();
  const [full, free] = [stage.connect(4096), stage.connect()];
  stage.step(2);
  const frame = noise(1, PROXY_FRAME_BYTES);
  const frames = fill(port, full.socket, frame) + 1;
  assert(port.send(full.socket, frame));
  assert(port.send(free.socket, frame) && !port.hasUnsent(free.socket));
  stage.until(() => {
    full.peer.read();
    return port.flush(full.socket) && full.peer.count === frames * PROXY_FRAME_BYTES;
  }, "all of them");
  assert(!port.hasUnsent(full.socket));
  assertEquals(full.peer.take(), Uint8Array.from({ length: frames * PROXY_FRAME_BYTES }, (_, i) => frame[i % 16]));
});
