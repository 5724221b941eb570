// One direction of a session: every byte, in order, once, whatever the sockets and pipes do.

import { Errno } from "../ffi/errno.ts";
import { setPipeCapacity } from "../ffi/pipe.ts";
import type { Task } from "../core/reactor/event_loop.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { Count, placeOf, RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { Flow, FlowStatus } from "../core/relay/flow.ts";
import { watchPeers } from "../core/relay/peer_watch.ts";
import { type Pipe, PipePool } from "../core/relay/pipe_pool.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { assertSameBytes, noise } from "./support/bytes.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

/** Pipes of one slot, as users without privileges get them when they have many. */
class TinyPipes extends PipePool {
  override take(): Pipe | null {
    const pipe = super.take();
    if (pipe === null) return null;
    assertEquals(setPipeCapacity(pipe.readEnd, 4096), 4096);
    return { ...pipe, slots: 1 };
  }
}

/** No pipe at all, as in a process that is out of descriptors. */
class NoPipes extends PipePool {
  constructor() {
    super(0);
  }
}

/** The tunnel whose sessions these are. */
const TUNNEL = placeOf(1 as TunnelRow);

interface Direction {
  readonly flow: Flow;
  readonly pipes: PipePool;
  readonly counters: Float64Array;
  /** Where the test sends. */
  readonly from: Peer;
  /** Where the test receives. */
  readonly to: Peer;
  readonly source: StreamSocket;
  readonly destination: StreamSocket;
  /** What the last pump ended with. */
  status: number;
}

interface Options {
  readonly sourceBuffer?: number;
  readonly destinationBuffer?: number;
  readonly pipes?: typeof PipePool;
}

/** Runs `body` with a direction that is pumped at every event, as in a session. */
function testFlow(name: string, options: Options, body: (direction: Direction, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const pipes = new (options.pipes ?? PipePool)();
    const counters = new RelayCounters(1, 2).block(0);
    const flow = new Flow({ pipes, counters });
    const { socket: source, peer: from } = stage.connect(options.sourceBuffer);
    watchPeers(source.fd);
    const { socket: destination, peer: to } = stage.connect(options.destinationBuffer);
    const direction: Direction = { flow, pipes, counters, from, to, source, destination, status: -1 };
    const task: Task = {
      queued: false,
      run() {
        if (flow.ended || flow.error !== 0) return;
        direction.status = flow.pump(source, destination);
        if (direction.status === FlowStatus.MORE) stage.loop.enqueue(task);
      },
    };
    source.task = destination.task = task;
    flow.begin(TUNNEL, Count.bytesFromProxy);
    try {
      body(direction, stage);
    } finally {
      flow.abandon();
      pipes.dispose();
    }
    assertEquals(pipes.open, 0, "all pipes came back");
  });
}

/** Registers a test with a direction that has pipes, and one with a direction that has none. */
function testFlowEitherWay(name: string, options: Options, body: (direction: Direction, stage: Stage) => void): void {
  testFlow(name, options, body);
  testFlow(`without pipes ${name}`, { ...options, pipes: NoPipes }, body);
}

/** Sends all of `bytes` while reading what arrives, then what `end` does, until the direction is over. */
function transfer(
  { flow, from, to, counters }: Direction,
  stage: Stage,
  bytes: Uint8Array,
  end = () => from.finish(),
): void {
  let sent = 0;
  stage.until(() => {
    if (sent < bytes.length) sent += from.send(bytes.subarray(sent, sent + (1 << 18)));
    if (sent === bytes.length) {
      sent++;
      end();
    }
    to.read();
    return flow.ended || flow.error !== 0;
  }, "the end of the direction");
  // what is written may still be on its way
  if (flow.ended) stage.until(() => to.read().count === flow.moved, "all that moved");
  assertEquals(counters[TUNNEL + Count.bytesFromProxy], flow.moved, "what moved is counted");
}

for (const count of [0, 1, 4095, 4096, 4097, 65_537, 10_000_000]) {
  testFlowEitherWay(`a stream of ${count} bytes arrives whole, and then ends`, {}, (direction, stage) => {
    const bytes = noise(count, count);
    transfer(direction, stage, bytes);
    assertEquals(direction.status, FlowStatus.ENDED);
    assertEquals(direction.flow.moved, count);
    assert(direction.flow.sourceEnded);
    assertSameBytes(direction.to.read().take(), bytes);
    assertEquals(direction.to.state, "open", "the end is for others to pass on");
    assertEquals(direction.pipes.idle, direction.pipes.open, "the pipe came back");
  });

  testFlowEitherWay(`a stream of ${count} bytes ends at its known length`, {}, (direction, stage) => {
    const bytes = noise(count, count);
    direction.flow.limit = count;
    transfer(direction, stage, bytes, () => stage.loop.enqueue(direction.source.task!));
    assertEquals([direction.status, direction.flow.moved], [FlowStatus.ENDED, count]);
    assert(!direction.flow.sourceEnded);
    assertSameBytes(direction.to.read().take(), bytes);
  });
}

testFlow("a megabyte passes through pipes of one slot", { pipes: TinyPipes }, (direction, stage) => {
  const bytes = noise(1, 1 << 20);
  transfer(direction, stage, bytes);
  assertEquals(direction.status, FlowStatus.ENDED);
  assertSameBytes(direction.to.read().take(), bytes);
});

for (const [pipes, what] of [[PipePool, "a pipe"], [TinyPipes, "a pipe of one slot"]] as const) {
  testFlow(`single bytes fill the slots of ${what} long before its bytes, and all arrive`, { pipes }, (d, stage) => {
    const bytes = noise(2, 5000);
    // each send is a segment of its own, and all are there before the first pump
    for (let i = 0; i < bytes.length; i++) d.from.sendAll(bytes.subarray(i, i + 1));
    stage.until(() => d.to.read().count === bytes.length, "all single bytes");
    assertSameBytes(d.to.take(), bytes);
  });

  testFlow(`single bytes that come one by one pass through ${what}`, { pipes }, (d, stage) => {
    const bytes = noise(3, 1000);
    for (let i = 0; i < bytes.length; i++) {
      d.from.sendAll(bytes.subarray(i, i + 1));
      stage.step();
    }
    d.from.finish();
    stage.until(() => d.flow.ended, "the end");
    assertSameBytes(d.to.read().take(), bytes);
  });

  testFlow(
    `bytes in ${what} before a full destination leave first when it has room, and the rest follows without an event`,
    { pipes, destinationBuffer: 4096 },
    (d, stage) => {
      const bytes = noise(4, 3_000_000);
      let sent = 0;
      stage.until(() => {
        const count = d.from.send(bytes.subarray(sent));
        sent += count;
        return count === 0 && d.flow.held > 0 && !d.destination.writable;
      }, "both ends to be full");
      const { moved } = d.flow;
      assertEquals(d.status, FlowStatus.WAITS);
      assertEquals(d.pipes.idle, 0, "the direction keeps the pipe that holds bytes");
      stage.step(3);
      assertEquals(d.flow.moved, moved);
      // nothing more is sent: no event of the source will come, only room at the destination
      stage.until(() => d.to.read().count === sent, "all that was sent");
      assertSameBytes(d.to.take(), bytes.subarray(0, sent));
      assertEquals(d.flow.held, 0);
      assertEquals(d.pipes.idle, 1);
    },
  );
}

testFlow(
  "without pipes a full destination leaves bytes in the source, and they follow when it has room",
  { pipes: NoPipes, destinationBuffer: 4096 },
  (d, stage) => {
    const bytes = noise(12, 3_000_000);
    let sent = 0;
    stage.until(() => {
      const count = d.from.send(bytes.subarray(sent));
      sent += count;
      return count === 0 && !d.destination.writable;
    }, "both ends to be full");
    assertEquals([d.status, d.flow.held], [FlowStatus.WAITS, 0]);
    stage.until(() => d.to.read().count === sent, "all that was sent");
    assertSameBytes(d.to.take(), bytes.subarray(0, sent));
  },
);

testFlow("without pipes single bytes that come one by one pass", { pipes: NoPipes }, (d, stage) => {
  const bytes = noise(13, 1000);
  for (let i = 0; i < bytes.length; i++) {
    d.from.sendAll(bytes.subarray(i, i + 1));
    stage.step();
  }
  d.from.finish();
  stage.until(() => d.flow.ended, "the end");
  assertSameBytes(d.to.read().take(), bytes);
});

testFlow("a direction holds one megabyte at most", { destinationBuffer: 4096 }, (d, stage) => {
  const bytes = noise(5, 1 << 20);
  let most = 0;
  for (let i = 0; i < 100; i++) {
    d.from.send(bytes);
    stage.step();
    most = Math.max(most, d.flow.held);
  }
  assert(most > 0 && most <= 1 << 20, `${most} bytes`);
});

testFlowEitherWay("what lies behind the limit stays in the source, to the byte", {}, (d, stage) => {
  const bytes = noise(6, 70_000);
  d.flow.limit = 50_000;
  d.from.sendAll(bytes);
  stage.until(() => d.flow.ended, "the limit");
  assertSameBytes(d.to.read().take(), bytes.subarray(0, 50_000));
  d.flow.begin(TUNNEL, Count.bytesFromProxy);
  d.flow.limit = 1;
  stage.loop.enqueue(d.source.task!);
  stage.until(() => d.flow.ended, "the next limit");
  assertSameBytes(d.to.read().take(), bytes.subarray(50_000, 50_001));
  d.flow.begin(TUNNEL, Count.bytesFromProxy);
  d.from.finish();
  stage.until(() => d.flow.ended, "the end");
  assertSameBytes(d.to.read().take(), bytes.subarray(50_001));
});

testFlowEitherWay("a limit that was reached before it became known ends the direction", {}, (d, stage) => {
  d.from.sendAll("12345");
  stage.until(() => d.flow.moved === 5, "the bytes");
  assertEquals(d.status, FlowStatus.WAITS);
  d.flow.limit = 5;
  stage.loop.enqueue(d.source.task!);
  stage.step();
  assertEquals(d.status, FlowStatus.ENDED);
});

testFlowEitherWay("a stream that ends before its limit has failed, and what came is delivered", {}, (d, stage) => {
  d.flow.limit = 6;
  d.from.sendAll("12345");
  d.from.finish();
  stage.until(() => d.flow.error !== 0, "the failure");
  assertEquals([d.status, d.flow.error], [FlowStatus.SOURCE_FAILED, Errno.ECONNRESET]);
  assertEquals(d.to.text(), "12345");
  assert(!d.flow.ended);
});

testFlowEitherWay("a reset source fails after the bytes that came before", {}, (d, stage) => {
  const bytes = noise(7, 100_000);
  d.from.sendAll(bytes);
  d.from.reset();
  stage.until(() => d.flow.error !== 0, "the failure");
  assertEquals([d.status, d.flow.error], [FlowStatus.SOURCE_FAILED, Errno.ECONNRESET]);
  assertSameBytes(d.to.read().take(), bytes);
});

testFlowEitherWay("a destination that was reset fails the direction", {}, (d, stage) => {
  d.to.reset();
  stage.step();
  d.from.sendAll("lost");
  stage.until(() => d.flow.error !== 0, "the failure");
  assertEquals(d.status, FlowStatus.DESTINATION_FAILED);
  assert([Errno.EPIPE, Errno.ECONNRESET].includes(d.flow.error as 32), `errno ${d.flow.error}`);
});

testFlow("a destination that reads no more fails the direction also with bytes held", { destinationBuffer: 4096 }, (
  d,
  stage,
) => {
  const bytes = noise(8, 1 << 20);
  stage.until(() => {
    d.from.send(bytes);
    return d.flow.held > 0 && !d.destination.writable;
  }, "the pipe to be held");
  d.to.reset();
  stage.until(() => d.flow.error !== 0, "the failure");
  assertEquals(d.status, FlowStatus.DESTINATION_FAILED);
  const { held, moved } = d.flow;
  assert(held > 0);
  d.flow.abandon();
  assertEquals([d.counters[TUNNEL + Count.bytesFromProxy], d.counters[TUNNEL + Count.bytesLostFromProxy]], [
    moved,
    held,
  ]);
  assertEquals([d.flow.held, d.pipes.open], [0, 0], "a pipe with bytes in it is not lent again");
});

testFlowEitherWay("a destination that has ended its own direction still gets everything", {}, (direction, stage) => {
  direction.to.finish();
  stage.step();
  const bytes = noise(9, 300_000);
  transfer(direction, stage, bytes);
  assertEquals(direction.status, FlowStatus.ENDED);
  assertSameBytes(direction.to.read().take(), bytes);
});

testFlowEitherWay("a source that sends its end with its last bytes has ended", {}, (d, stage) => {
  // few bytes: the first splice is short, and without a second one the end would not be seen
  d.from.sendAll("x");
  d.from.finish();
  stage.until(() => d.flow.ended, "the end");
  assertEquals(d.to.text(), "x");
});

testFlowEitherWay("one turn moves a share only, so that a fat stream leaves time for the others", {}, (d, stage) => {
  const bytes = noise(10, 8_000_000);
  let sent = 0;
  for (let count = -1; count !== 0;) sent += count = d.from.send(bytes.subarray(sent));
  let turns = 0;
  stage.until(() => {
    turns++;
    return d.to.read().count === sent;
  }, "all that was sent");
  assert(turns > 1, `${sent} bytes in one turn`);
  assertSameBytes(d.to.take(), bytes.subarray(0, sent));
});

/** Where urgent bytes are, in a stream of so many bytes. */
const MARKS: readonly (readonly [where: string, marks: readonly number[]])[] = [
  ["the first byte", [0]],
  ["the last byte", [9999]],
  ["the only byte", [0]],
  ["several bytes", [0, 1, 4000, 4001, 9999]],
];

for (const [where, marks] of MARKS) {
  const bytes = noise(20, where === "the only byte" ? 1 : 10_000);
  for (const atOnce of [true, false]) {
    for (const ends of [true, false]) {
      const how = `${atOnce ? "that comes at once" : "that comes mark by mark"} and ${ends ? "ends" : "goes on"}`;
      testFlowEitherWay(`a stream with ${where} urgent ${how} passes whole`, {}, (d, stage) => {
        let at = 0;
        for (const mark of marks) {
          if (mark > at) d.from.sendAll(bytes.subarray(at, mark));
          d.from.sendUrgent(bytes.subarray(Math.max(at, mark), mark + 1));
          at = mark + 1;
          if (!atOnce) stage.step(2);
        }
        if (at < bytes.length) d.from.sendAll(bytes.subarray(at));
        if (ends) d.from.finish();
        stage.until(() => d.to.read().count === bytes.length, "all bytes, urgent ones included");
        assertSameBytes(d.to.take(), bytes);
        assertEquals(d.counters[TUNNEL + Count.bytesFromProxy], bytes.length, "what moved is counted");
        if (ends) stage.until(() => d.flow.ended, "the end");
        assertEquals([d.flow.error, d.flow.ended, d.flow.moved], [0, ends, bytes.length]);
      });
    }
  }
}

testFlowEitherWay("an urgent byte between three megabytes and three more passes in its place", {}, (d, stage) => {
  const bytes = noise(21, 6_000_001);
  const mark = 3_000_000;
  let sent = 0;
  stage.until(() => {
    if (sent < mark) sent += d.from.send(bytes.subarray(sent, mark));
    else if (sent === mark) d.from.sendUrgent(bytes.subarray(mark, ++sent));
    else if (sent < bytes.length && (sent += d.from.send(bytes.subarray(sent))) === bytes.length) d.from.finish();
    d.to.read();
    return d.flow.ended || d.flow.error !== 0;
  }, "the end of the direction");
  stage.until(() => d.to.read().count === d.flow.moved, "all that moved");
  assertSameBytes(d.to.take(), bytes);
  assertEquals(d.flow.moved, bytes.length);
});

testFlow("behind an urgent byte bytes pass through pipes again", {}, (d, stage) => {
  d.from.sendUrgent(noise(22, 10));
  stage.until(() => d.to.read().count === 10, "the urgent byte");
  stage.step(2);
  assert(!d.source.urgent);
});

testFlow("a full destination takes no pipe while nothing is held", { destinationBuffer: 4096 }, (d, stage) => {
  const bytes = noise(11, 1 << 20);
  d.destination.writable = false;
  d.from.send(bytes);
  d.status = d.flow.pump(d.source, d.destination);
  assertEquals([d.status, d.flow.held, d.pipes.idle], [FlowStatus.WAITS, 0, 1]);
  stage.loop.enqueue(d.source.task!);
  stage.step();
  assert(d.flow.moved > 0, "the first event says that there is room");
});
