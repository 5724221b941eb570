// Connecting a LocalConn: addresses in turn, unix sockets, and what passes by itself.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Errno } from "../ffi/errno.ts";
import { accept, connect, listenOn, openSocket, takeSocketError } from "../ffi/socket.ts";
import { Family, formatAddress, type SocketAddress, unixAddress } from "../ffi/socket_address.ts";
import { LocalConnector } from "../core/client/relay/local_connector.ts";
import type { LocalTarget } from "../core/client/relay/local_target.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import {
  accepted,
  listenSomewhere,
  type Peer,
  refusingAddress,
  silentAddress,
  type Stage,
  testOnStage,
} from "./support/stage.ts";
import { noLoops, targetAt } from "./support/targets.ts";

/** A connector, and how its last attempt went. */
class Attempt {
  readonly connector: LocalConnector;
  readonly outcomes: string[] = [];
  socket: StreamSocket | null = null;
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
    this.connector = new LocalConnector(stage.loop, noLoops());
  }

  /** Starts an attempt. */
  start(addresses: readonly SocketAddress[]): void {
    this.startTo(targetAt(addresses));
  }

  /** Starts an attempt whose addresses may still have to be asked for. */
  startTo(target: LocalTarget): void {
    this.connector.start(target, 0, {
      onLocalConnected: (socket) => {
        this.socket = socket;
        this.outcomes.push("connected");
      },
      onLocalRefused: (reason) => this.outcomes.push(`refused ${reason}`),
      onLocalReset: (code, socket) => {
        this.socket = socket;
        this.outcomes.push(`reset ${code}`);
      },
    });
  }

  /** The outcome of one attempt. */
  to(...addresses: SocketAddress[]): string {
    this.outcomes.length = 0;
    this.start(addresses);
    this.#stage.until(() => this.outcomes.length > 0, "an outcome");
    this.#stage.step(2);
    assertEquals(this.outcomes.length, 1);
    return this.outcomes[0];
  }

  dispose(): void {
    this.connector.cancel();
    this.socket?.close();
  }
}

function testAttempt(name: string, body: (attempt: Attempt, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const attempt = new Attempt(stage);
    try {
      body(attempt, stage);
    } finally {
      attempt.dispose();
    }
  });
}

/** Calls `body` with a listening unix socket. */
function withUnixSocket(backlog: number, body: (fd: Descriptor, address: SocketAddress) => void): void {
  const folder = Deno.makeTempDirSync({ prefix: "cproxy-" });
  const address = unixAddress(`${folder}/app.sock`);
  const fd = listenOn(address, backlog) as Descriptor;
  assert(fd >= 0, `errno ${-fd}`);
  try {
    body(fd, address);
  } finally {
    close(fd);
    Deno.removeSync(folder, { recursive: true });
  }
}

function assertTalks(stage: Stage, socket: StreamSocket, far: Peer): void {
  const near = stage.peer(socket.fd);
  near.sendAll("hello");
  far.sendAll("welcome");
  stage.step();
  assertEquals([far.text(), near.text()], ["hello", "welcome"]);
}

testAttempt("the LocalServer that listens is connected to", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  assertEquals(attempt.to(address), "connected");
  assertTalks(stage, attempt.socket!, stage.peer(accepted(fd)));
  assertEquals(stage.loop.timers.size, 0);
  attempt.socket = null;
  stage.peer(fd);
});

testAttempt("nobody there is a refusal", (attempt, stage) => {
  assertEquals(attempt.to(refusingAddress()), "refused connection refused");
  assertEquals(stage.loop.timers.size, 0);
});

testAttempt("no address at all is a refusal", (attempt) => {
  assertEquals(attempt.to(), "refused there is no such tunnel");
});

testAttempt("when an address refuses, the next one is tried", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  assertEquals(attempt.to(refusingAddress(), refusingAddress(), address), "connected");
  stage.peer(accepted(fd));
});

testAttempt("a unix socket is connected to", (attempt, stage) => {
  withUnixSocket(4, (fd, address) => {
    assertEquals(attempt.to(address), "connected");
    assertTalks(stage, attempt.socket!, stage.peer(accepted(fd)));
    attempt.socket = null;
  });
});

testAttempt("a unix socket that is not there is a refusal with its reason", (attempt) => {
  assertEquals(attempt.to(unixAddress("/nonexistent/app.sock")), "refused no such file");
});

testAttempt("a unix socket whose queue is full is tried again until there is room", (attempt, stage) => {
  withUnixSocket(1, (fd, address) => {
    const waiting = fill(stage, address);
    attempt.start([address]);
    stage.advance(200);
    assertEquals(attempt.outcomes, []);
    for (let i = 0; i < waiting; i++) stage.peer(accept(fd) as Descriptor);
    stage.advance(50);
    stage.until(() => attempt.outcomes.length > 0, "an outcome");
    assertEquals(attempt.outcomes, ["connected"]);
    stage.peer(accepted(fd));
  });
});

testAttempt("an address that has no room now does not hold up the others", (attempt, stage) => {
  withUnixSocket(1, (fd, full) => {
    const waiting = fill(stage, full);
    const { fd: listener, address } = listenSomewhere();
    stage.peer(listener);
    attempt.start([full, address]);
    stage.step(3);
    assertEquals(attempt.outcomes, ["connected"]);
    stage.peer(accepted(listener));
    attempt.socket!.close();
    attempt.socket = null;
    const absent = refusingAddress();
    const reasons = `${formatAddress(full)}: no room for now, ${formatAddress(absent)}: connection refused`;
    assertEquals(attempt.to(full, absent), `refused ${reasons}`, "and one that refuses is believed");
    for (let i = 0; i < waiting; i++) stage.peer(accept(fd) as Descriptor);
  });
});

/** Fills the accept queue of a unix socket; says with how many. */
function fill(stage: Stage, address: SocketAddress): number {
  for (let i = 0;; i++) {
    const fd = openSocket(Family.UNIX) as Descriptor;
    const code = connect(fd, address);
    stage.peer(fd);
    if (code === -Errno.EAGAIN) return i;
    assertEquals(code, 0);
  }
}

testAttempt("without descriptors it is tried again, and for ten seconds at most", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  withoutDescriptors((free) => {
    attempt.start([address]);
    stage.advance(100);
    assertEquals(attempt.outcomes, []);
    free();
    stage.advance(50);
    stage.step();
    assertEquals(attempt.outcomes.splice(0), ["connected"]);
    attempt.socket!.close();
    attempt.socket = null;
  });
  stage.peer(accepted(fd));
  stage.step();
  withoutDescriptors(() => {
    attempt.start([address]);
    for (let i = 0; i < 9; i++) stage.advance(1000);
    assertEquals(attempt.outcomes, []);
    stage.advance(1100);
    assertEquals(attempt.outcomes, ["refused no answer in time"]);
  });
  assertEquals(stage.loop.timers.size, 0);
});

testAttempt("a LocalServer that never answers is given up after ten seconds", (attempt, stage) => {
  // a queue that is full lets further ones wait for their handshake
  const { fd, address } = listenSomewhere(1);
  stage.peer(fd);
  for (let i = 0; i < 4; i++) stage.caller(address);
  attempt.start([address]);
  stage.advance(9900);
  stage.step(2);
  assertEquals(attempt.outcomes, []);
  stage.advance(200);
  assertEquals(attempt.outcomes, ["refused no answer in time"]);
  stage.step(2);
  assertEquals(attempt.outcomes.length, 1);
});

testAttempt("a LocalServer that accepts and resets at once is a reset, not a refusal", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  attempt.start([address]);
  stage.peer(accepted(fd)).reset();
  stage.until(() => attempt.outcomes.length > 0, "an outcome");
  assertEquals(attempt.outcomes, [`reset ${Errno.ECONNRESET}`]);
  assertEquals(stage.loop.timers.size, 0);
});

testAttempt("an attempt that is cancelled says nothing, and its LocalServer sees a reset", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  attempt.start([address]);
  const far = stage.peer(accepted(fd));
  attempt.connector.cancel();
  stage.step(2);
  assertEquals([attempt.outcomes, stage.loop.timers.size], [[], 0]);
  stage.until(() => far.read().state !== "open", "the end");
  assertEquals(far.state, Errno.ECONNRESET);
  assertEquals(takeSocketError(far.fd), 0);
});

/** A target with a name, how often it was asked for, and the connectors' clock. */
function named(stage: Stage) {
  const asked = { times: 0 };
  const target = targetAt(null, () => asked.times++);
  return { asked, target, answer: (addresses: SocketAddress[]) => target.onAnswer(stage.loop.now, addresses, "") };
}

testAttempt("a name is asked for before the first connection, and again when the answer is old", (attempt, stage) => {
  const [first, second] = [listenSomewhere(), listenSomewhere()];
  for (const { fd } of [first, second]) stage.peer(fd);
  const { asked, target, answer } = named(stage);
  const connects = (listener: Descriptor) => {
    stage.until(() => attempt.outcomes.length > 0, "an outcome");
    assertEquals(attempt.outcomes.splice(0), ["connected"]);
    stage.peer(accepted(listener));
    attempt.socket!.close();
    attempt.socket = null;
  };
  attempt.startTo(target);
  assertEquals(asked.times, 1);
  answer([first.address]);
  connects(first.fd);
  attempt.startTo(target);
  connects(first.fd);
  assertEquals(asked.times, 1);
  stage.advance(2100);
  // it has moved, and the old address may be somebody else's by now
  attempt.startTo(target);
  stage.step(2);
  assertEquals([asked.times, attempt.outcomes], [2, []]);
  answer([second.address]);
  connects(second.fd);
});

testAttempt("when nobody answers, the name is asked for at once, and what is new is tried", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  const { asked, target, answer } = named(stage);
  answer([refusingAddress()]);
  stage.advance(500);
  attempt.startTo(target);
  stage.until(() => asked.times === 1, "a question");
  assertEquals(attempt.outcomes, []);
  answer([address]);
  stage.until(() => attempt.outcomes.length > 0, "an outcome");
  assertEquals(attempt.outcomes, ["connected"]);
  stage.peer(accepted(fd));
});

testAttempt("when nobody answers and the name means the same as before, that is a refusal", (attempt, stage) => {
  const { asked, target, answer } = named(stage);
  const address = refusingAddress();
  for (const ageMs of [500, 0]) {
    answer([address]);
    stage.advance(ageMs);
    attempt.startTo(target);
    if (ageMs > 0) {
      stage.until(() => asked.times === 1, "a question");
      answer([address]);
    }
    stage.until(() => attempt.outcomes.length > 0, "an outcome");
    assertEquals(attempt.outcomes.splice(0), ["refused connection refused"]);
    assertEquals([asked.times, stage.loop.timers.size], [1, 0]);
  }
});

testAttempt(
  "a name without an address is a refusal with its reason, and one without an answer is given up",
  (attempt, stage) => {
    const { target } = named(stage);
    attempt.startTo(target);
    target.onAnswer(stage.loop.now, [], "the name is not known");
    assertEquals(attempt.outcomes.splice(0), ["refused the name is not known"]);
    stage.advance(2100);
    attempt.startTo(target);
    stage.advance(10_100);
    assertEquals(attempt.outcomes, ["refused the resolver does not answer"]);
    target.onAnswer(stage.loop.now, [refusingAddress()], "");
    stage.step(2);
    assertEquals([attempt.outcomes.length, stage.loop.timers.size], [1, 0]);
  },
);

testAttempt("what refused is not tried again before what worked", (attempt, stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  const absent = refusingAddress();
  const { target, answer } = named(stage);
  for (let i = 0; i < 2; i++) {
    answer([absent, address]);
    assertEquals(target.addresses[0], i === 0 ? absent : address);
    attempt.startTo(target);
    stage.until(() => attempt.outcomes.length > 0, "an outcome");
    assertEquals(attempt.outcomes.splice(0), ["connected"]);
    assertEquals(target.addresses, [address, absent]);
    stage.peer(accepted(fd));
    attempt.socket!.close();
  }
  attempt.socket = null;
});

testAttempt(
  "a silent address is doubted after a second, and what the name means by now is tried beside it",
  (attempt, stage) => {
    const silent = silentAddress(stage);
    const { fd, address } = listenSomewhere();
    stage.peer(fd);
    const { asked, target, answer } = named(stage);
    answer([silent]);
    attempt.startTo(target);
    stage.advance(900);
    assertEquals(asked.times, 0);
    stage.advance(200);
    assertEquals([asked.times, attempt.outcomes], [1, []]);
    answer([address]);
    stage.until(() => attempt.outcomes.length > 0, "an outcome");
    assertEquals([attempt.outcomes, stage.loop.timers.size], [["connected"], 0]);
    stage.peer(accepted(fd));
  },
);

Deno.test("one question serves all sessions that wait, and a session that has gone is not told", () => {
  let asked = 0;
  const told: string[] = [];
  const target = targetAt(null, () => asked++);
  const waiters = ["one", "two", "three"].map((name) => ({ onTargetResolved: () => told.push(name) }));
  for (const waiter of waiters) target.ask(waiter);
  target.forget(waiters[1]);
  target.onAnswer(0, [], "");
  assertEquals([asked, told], [1, ["one", "three"]]);
  target.ask(waiters[0]);
  assertEquals(asked, 2);
});
