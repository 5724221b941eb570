// Both directions of a session at once, and every way in which one of its sockets fails.

import { Errno } from "../ffi/errno.ts";
import type { Task } from "../core/reactor/event_loop.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { Count, placeOf, RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { Relay } from "../core/relay/relay.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { assertSameBytes, noise } from "./support/bytes.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

/** The tunnel whose sessions these are. */
const TUNNEL = placeOf(1 as TunnelRow);

interface Session {
  readonly relay: Relay;
  readonly pipes: PipePool;
  readonly counters: Float64Array;
  /** Queued at every event, as in a session. */
  readonly task: Task;
  /** Who talks to the endpoint. */
  readonly user: Peer;
  /** The far end of the ProxyConn. */
  readonly far: Peer;
  readonly endpoint: StreamSocket;
  readonly proxy: StreamSocket;
}

/** Registers a test with a session whose directions are open; socket buffers are small when blocking is the matter. */
function testRelay(name: string, body: (session: Session, stage: Stage) => void, bufferBytes?: number): void {
  testOnStage(name, (stage) => {
    const pipes = new PipePool();
    const counters = new RelayCounters(1, 2).block(0);
    const relay = new Relay({ pipes, counters });
    const { socket: endpoint, peer: user } = stage.connect(bufferBytes);
    const { socket: proxy, peer: far } = stage.connect(bufferBytes);
    const task: Task = {
      queued: false,
      run() {
        if (relay.failure === null && relay.pump(endpoint, proxy)) stage.loop.enqueue(task);
      },
    };
    endpoint.task = proxy.task = task;
    relay.begin(TUNNEL);
    relay.out.open = relay.in.open = true;
    try {
      body({ relay, pipes, counters, task, user, far, endpoint, proxy }, stage);
    } finally {
      relay.abandon();
      pipes.dispose();
    }
    assertEquals(pipes.open, 0);
  });
}

/** Sends until nothing moves any more. */
function stuff(stage: Stage, from: Peer, isBlocked: () => boolean): number {
  const bytes = noise(1, 1 << 18);
  let sent = 0;
  stage.until(() => {
    const count = from.send(bytes);
    sent += count;
    return count === 0 && isBlocked();
  }, "the direction to be blocked");
  return sent;
}

testRelay("both directions move at once, each byte for byte", (s, stage) => {
  const [up, down] = [noise(1, 3_000_000), noise(2, 5_000_000)];
  let [sentUp, sentDown] = [0, 0];
  stage.until(() => {
    if (sentUp < up.length && (sentUp += s.user.send(up.subarray(sentUp))) === up.length) s.user.finish();
    if (sentDown < down.length) sentDown += s.far.send(down.subarray(sentDown));
    s.user.read();
    s.far.read();
    return s.relay.out.ended && s.user.count === down.length;
  }, "both to arrive");
  assertSameBytes(s.far.read().take(), up);
  assertSameBytes(s.user.take(), down);
  assert(!s.relay.in.ended);
  s.relay.in.limit = down.length;
  stage.loop.enqueue(s.task);
  stage.step();
  assert(s.relay.in.ended);
  assertEquals([s.counters[TUNNEL + Count.bytesToProxy], s.counters[TUNNEL + Count.bytesFromProxy]], [
    up.length,
    down.length,
  ]);
  assertEquals(s.pipes.idle, s.pipes.open);
});

testRelay("a direction that is shut leaves its bytes where they are", (s, stage) => {
  s.relay.begin(TUNNEL);
  s.user.sendAll("early");
  s.far.sendAll("frame");
  stage.step(2);
  assertEquals([s.user.text(), s.far.text()], ["", ""]);
  s.relay.out.open = true;
  stage.loop.enqueue(s.task);
  stage.step();
  assertEquals([s.user.text(), s.far.text()], ["", "early"]);
  s.relay.in.open = true;
  stage.loop.enqueue(s.task);
  stage.step();
  assertEquals(s.user.text(), "frame");
});

testRelay("a blocked direction does not hold up the other one", (s, stage) => {
  stuff(stage, s.user, () => s.relay.out.held > 0 && !s.proxy.writable);
  const down = noise(3, 100_000);
  let sent = 0;
  stage.until(() => {
    if (sent < down.length) sent += s.far.send(down.subarray(sent));
    return s.user.read().count === down.length;
  }, "what comes the other way");
  assertSameBytes(s.user.take(), down);
}, 4096);

testRelay("both directions can be blocked, each with a pipe of its own", (s, stage) => {
  const up = stuff(stage, s.user, () => s.relay.out.held > 0 && !s.proxy.writable);
  const down = stuff(stage, s.far, () => s.relay.in.held > 0 && !s.endpoint.writable);
  assertEquals([s.pipes.open, s.pipes.idle], [2, 0]);
  stage.until(() => s.far.read().count === up, "all that was sent one way");
  stage.until(() => s.user.read().count === down, "all that was sent the other way");
  assertEquals([s.pipes.open, s.pipes.idle], [2, 2]);
}, 4096);

testRelay("a reset endpoint is the endpoint's failure, after its last bytes", (s, stage) => {
  s.user.sendAll("last words");
  s.user.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "endpoint", code: Errno.ECONNRESET });
  assertEquals(s.far.text(), "last words");
});

testRelay("a reset ProxyConn is the ProxyConn's failure, after its last bytes", (s, stage) => {
  s.far.sendAll("last words");
  s.far.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "proxy", code: Errno.ECONNRESET });
  assertEquals(s.user.text(), "last words");
});

testRelay("a reset endpoint is found while the way to the ProxyConn is blocked", (s, stage) => {
  stuff(stage, s.user, () => s.relay.out.held > 0 && !s.proxy.writable);
  s.user.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "endpoint", code: Errno.ECONNRESET });
}, 4096);

testRelay("a reset endpoint is found after its direction has ended", (s, stage) => {
  s.user.finish();
  stage.until(() => s.relay.out.ended, "the end");
  s.user.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  // a reset after a FIN has another name (tcp_reset in net/ipv4/tcp_input.c)
  assertEquals(s.relay.failure, { side: "endpoint", code: Errno.EPIPE });
});

testRelay("a reset endpoint is found when what it has sent may leave", (s, stage) => {
  s.relay.begin(TUNNEL);
  s.user.sendAll("held back");
  s.user.reset();
  stage.step(3);
  assertEquals(s.relay.failure, null);
  s.relay.out.open = true;
  stage.loop.enqueue(s.task);
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "endpoint", code: Errno.ECONNRESET });
  assertEquals(s.far.text(), "held back");
});

testRelay("a reset ProxyConn is found after its direction has ended", (s, stage) => {
  s.relay.in.limit = 0;
  stage.loop.enqueue(s.task);
  stage.step();
  assert(s.relay.in.ended);
  s.far.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "proxy", code: Errno.ECONNRESET });
});

testRelay("a reset ProxyConn is found before its direction is open", (s, stage) => {
  s.relay.begin(TUNNEL);
  s.relay.out.open = true;
  s.far.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "proxy", code: Errno.ECONNRESET });
});

testRelay("a ProxyConn that is reset is found while the endpoint takes nothing", (s, stage) => {
  stuff(stage, s.far, () => s.relay.in.held > 0 && !s.endpoint.writable);
  s.far.reset();
  stage.until(() => s.relay.failure !== null, "the failure");
  assertEquals(s.relay.failure, { side: "proxy", code: Errno.ECONNRESET });
}, 4096);

testRelay("an endpoint that ends both its directions in order is no failure", (s, stage) => {
  s.user.sendAll("bye");
  s.user.close();
  stage.until(() => s.relay.out.ended, "the end");
  s.relay.in.limit = 0;
  stage.loop.enqueue(s.task);
  stage.step(3);
  assert(s.relay.in.ended && s.relay.failure === null);
  assertEquals(s.far.text(), "bye");
});

testRelay("bytes for an endpoint that has closed are a failure of the endpoint", (s, stage) => {
  s.user.close();
  stage.until(() => s.relay.out.ended, "the end");
  stage.until(() => {
    if (s.relay.failure === null) s.far.send(noise(4, 100));
    return s.relay.failure !== null;
  }, "the failure");
  assertEquals(s.relay.failure?.side, "endpoint");
});

testRelay("without a pipe both directions go on, through user space", (s, stage) => {
  const lent = s.pipes.take()!;
  withoutDescriptors(() => {
    s.user.sendAll("up");
    s.far.sendAll("down");
    stage.step(3);
    assertEquals([s.user.text(), s.far.text()], ["down", "up"]);
  });
  s.pipes.give(lent);
});

testRelay("a relay is used again without a trace of the session before", (s, stage) => {
  s.user.sendAll("12345");
  s.user.finish();
  stage.until(() => s.relay.out.ended, "the end");
  s.relay.in.limit = 0;
  s.relay.begin(TUNNEL);
  const { out } = s.relay;
  assertEquals([out.moved, out.held, out.limit, out.ended, out.sourceEnded], [0, 0, null, false, false]);
  assertEquals([s.relay.in.limit, s.relay.out.open, s.relay.in.open, s.relay.failure], [null, false, false, null]);
});
