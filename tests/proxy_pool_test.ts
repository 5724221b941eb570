// The server's ProxyConns of one client: how many are kept, who waits for one, and that dead ones cost nobody a byte.
// The test plays the client's part.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Errno } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { TcpInfo } from "../ffi/tcp_info.ts";
import type { ControlId, ProxyId, SessionNo, TunnelNo } from "../core/protocol/ids.ts";
import type { Notice } from "../core/protocol/messages.ts";
import { NoticeReader } from "../core/protocol/notices.ts";
import {
  decodeStartReq,
  encodeStartRsp,
  newStartReq,
  PROXY_FRAME_BYTES,
  START_ALIVE,
  START_CONNECTED,
  START_REFUSED,
  type StartReq,
  type StartStatus,
} from "../core/protocol/proxy_frame.ts";
import { Count, placeOf, RelayCounters, sessionsInBlock, type TunnelRow } from "../core/relay/counters.ts";
import { PeerSweep } from "../core/relay/peer_sweep.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { StreamSocket } from "../core/reactor/stream_socket.ts";
import { ProxyPool } from "../core/server/relay/proxy_pool.ts";
import { PublicConn } from "../core/server/relay/public_conn.ts";
import { ConnectionCounts, Held, portPlaceOf } from "../core/server/connection_counts.ts";
import { TokenAccount, TokenShares } from "../core/server/token_shares.ts";
import { lanesOf } from "../core/server/spread.ts";
import { Sweep } from "../core/server/relay/sweep.ts";
import { type TicketHolder, Tickets } from "../core/server/relay/tickets.ts";
import type { Ticket } from "../core/protocol/ticket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { assertSameBytes, noise } from "./support/bytes.ts";
import { noticeBytes } from "./support/ctl_peer.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";
import { quietSurroundings } from "./support/surroundings.ts";

/** The tunnel whose sessions these are. */
const TUNNEL = placeOf(1 as TunnelRow);

const GRANT = 3;
/** The pool's relay Worker, of so many; and how many the client has. */
const [INDEX, RELAYS, WORKERS] = [1, 2, 6];
const PLACE = portPlaceOf(GRANT, 9000);
const VISITOR = -77;

const MOST_DEAD = 20_000;
/** Fewer than the loop takes. */
const EVENTS_IN_A_TURN = 100;
/** Descriptors that the rest of a test needs. */
const SPARE = 50;

const F_DUPFD_CLOEXEC = 1030;

function duplicate(fd: Descriptor): Descriptor {
  return libc.fcntl(fd, F_DUPFD_CLOEXEC, 0) as Descriptor;
}

/** A pool with the client that the test plays. */
class Scene {
  readonly stage: Stage;
  readonly pool: ProxyPool;
  readonly counters = new RelayCounters(1, 3).block(0);
  /** What was asked for and is good, oldest first. */
  readonly #asked = new Map<ProxyId, Ticket>();
  givenUp = 0;
  /** The same for notice connections. */
  readonly #askedNotices = new Map<ProxyId, Ticket>();
  /** PublicConns that have no ProxyConn, as the acceptor is told. */
  waiting = 0;
  readonly #pipes: PipePool;
  readonly #tickets: Tickets<TicketHolder>;
  /** What the client makes the server hold. */
  readonly counts = new ConnectionCounts(GRANT + 1);

  constructor(stage: Stage, poolCount: number, maxConnections = Infinity) {
    this.stage = stage;
    this.#pipes = new PipePool();
    const around = quietSurroundings(stage.loop, this.#pipes, this.counters);
    const sweep = new Sweep(stage.loop);
    this.#tickets = new Tickets(stage.loop, INDEX, RELAYS, sweep, (_, proxy, notices, ticket) => {
      (notices ? this.#askedNotices : this.#asked).set(proxy, ticket);
    });
    const owner = {
      request: (pool: ProxyPool, notices: boolean, lane: number) =>
        this.#tickets.issue(this.#holder(pool), notices, lane),
      watch: (pool: ProxyPool) => sweep.watch(pool),
      onGivenUp: () => void this.givenUp++,
      onPublicClosed() {},
    };
    const rules = { descriptors: Infinity, maxConnections: Array(GRANT + 1).fill(maxConnections), poolCount };
    this.counts.count(Held.CLIENTS, GRANT, 1);
    const account = new TokenAccount(GRANT, this.counts, new TokenShares(rules, this.counts));
    const plan = { keep: poolCount, relays: RELAYS, lanes: lanesOf(RELAYS, WORKERS) };
    this.pool = new ProxyPool(7 as ControlId, account, around, owner, plan);
  }

  /** Notes which tickets have expired. */
  #holder(pool: ProxyPool): TicketHolder {
    return {
      control: pool.control,
      stride: pool.stride,
      isLost: pool.isLost,
      has: (proxy) => pool.has(proxy),
      onTicketExpired: (proxy, notices) => {
        (notices ? this.#askedNotices : this.#asked).delete(proxy);
        pool.onTicketExpired(proxy, notices);
      },
    };
  }

  /** The ProxyConns whose tickets are good, oldest first. */
  get tickets(): ProxyId[] {
    return this.pool.isLost ? [] : [...this.#asked.keys()];
  }

  /** The notice connections that are asked for. */
  get noticeTickets(): ProxyId[] {
    return this.pool.isLost ? [] : [...this.#askedNotices.keys()];
  }

  /** A ProxyConn comes with the oldest ticket, behind the notice connections that are asked for. */
  arrive(): { id: ProxyId; far: Peer } {
    while (this.#askedNotices.size > 0) this.takeNotices();
    return this.arriveEarly();
  }

  /** A ProxyConn comes with the oldest ticket. */
  arriveEarly(): { id: ProxyId; far: Peer } {
    return this.#come(this.#asked, false);
  }

  /** A notice connection comes with the oldest ticket. */
  takeNotices(): Peer {
    return this.#come(this.#askedNotices, true).far;
  }

  #come(asked: Map<ProxyId, Ticket>, notices: boolean): { id: ProxyId; far: Peer } {
    const { socket, peer } = this.stage.connect();
    const id = this.#redeem(asked);
    this.pool.add(id, notices, socket);
    this.stage.step(2);
    return { id, far: peer };
  }

  /** Shows the oldest ticket: the number of the connection. */
  #redeem(asked: Map<ProxyId, Ticket>): ProxyId {
    for (const [id, ticket] of asked) {
      assert(this.#tickets.redeem(id, ticket) !== null, "its ticket is good");
      asked.delete(id);
      return id;
    }
    throw new Error("Nothing was asked for");
  }

  /**
   * So many idle ProxyConns, or as many as this process has descriptors for: all of them are the same connection, whose
   * other end this is.
   */
  addIdle(count: number): Peer {
    const { fd, peer } = this.stage.connectUnwatched();
    const spare = Array.from({ length: SPARE }, () => duplicate(fd));
    for (let i = 0; i < count; i++) {
      const again = i === 0 ? fd : duplicate(fd);
      if (again < 0) break;
      this.pool.add(this.#redeem(this.#asked), false, new StreamSocket(this.stage.loop, again));
    }
    for (const each of spare) close(each);
    this.stage.step(count / EVENTS_IN_A_TURN + 1);
    return peer;
  }

  /** A PublicConn comes. */
  visit(tunnel = 1): Peer {
    const peer = this.comes(tunnel);
    this.stage.step(2);
    return peer;
  }

  /** A PublicConn comes, of which the loop has heard nothing yet. */
  comes(tunnel = 1): Peer {
    const { socket, peer } = this.stage.connect();
    this.counts.opened(PLACE);
    new PublicConn(
      socket,
      tunnel,
      1 as TunnelRow,
      PLACE,
      VISITOR,
      this.stage.loop.now,
      this.pool,
      (change) => this.waiting += change,
    );
    return peer;
  }

  /** The start of a session, as the client reads it. */
  start(far: Peer): StartReq {
    const bytes = far.read(PROXY_FRAME_BYTES).take();
    assertEquals(bytes.length, PROXY_FRAME_BYTES, "a frame");
    const req = newStartReq();
    decodeStartReq(new DataView(bytes.buffer), req);
    return req;
  }

  answer(far: Peer, session: number, status: StartStatus): void {
    const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    encodeStartRsp(frame, session as SessionNo, status);
    far.sendAll(new Uint8Array(frame.buffer));
    this.stage.step(2);
  }

  /** One session from its start to its end, the client's notices by the ctl_conn. */
  run(id: ProxyId, far: Peer, user: Peer): void {
    const { session } = this.start(far);
    this.answer(far, session, START_CONNECTED);
    user.close();
    this.pool.proxy(id)!.onShutdownPeer(session, 0);
    this.pool.proxy(id)!.onFree(session);
    this.stage.step(2);
  }

  /** Advances the clock second by second, so that every sweep sees it. */
  pass(seconds: number): void {
    for (let i = 0; i < seconds; i++) this.stage.advance(1000);
  }

  dispose(): void {
    this.pool.lose();
    this.stage.step();
    // whatever the test did: every PublicConn is counted out once, and not before it is closed
    const { counts } = this;
    assertEquals(counts.ofPort(PLACE), sessionsInBlock(this.counters), "PublicConns are open that have sessions");
    const rest = [Held.SPARES, Held.NOTICES].map((kind) => counts.of(kind, GRANT));
    assertEquals(rest, [0, 0], "everything else is counted out");
    this.#pipes.dispose();
  }
}

/** What came on a notice connection. */
function readNotices(far: Peer): Notice[] {
  const reader = new NoticeReader();
  const bytes = far.read().take();
  reader.room().set(bytes);
  reader.filled(bytes.length);
  const notices: Notice[] = [];
  for (let notice = reader.next(); notice !== null; notice = reader.next()) notices.push(notice);
  return notices;
}

/** Registers a test with a pool that keeps `poolCount` ProxyConns ready. */
function testPool(
  name: string,
  poolCount: number,
  body: (scene: Scene, stage: Stage) => void,
  maxConnections = Infinity,
): void {
  testOnStage(name, (stage) => {
    const scene = new Scene(stage, poolCount, maxConnections);
    try {
      body(scene, stage);
    } finally {
      scene.dispose();
    }
    assertEquals(scene.waiting, 0, "nobody waits for a ProxyConn any more");
  });
}

testPool("a pool asks for as many ProxyConns as it keeps ready, and for no more when they have come", 3, (s) => {
  assertEquals([s.tickets.length, s.noticeTickets.length], [3, 1]);
  for (let i = 3; i > 0; i--) {
    assertEquals(s.tickets.length, i);
    assertEquals(s.arrive().far.text(), "");
  }
  s.pass(5);
  assertEquals(s.tickets.length, 0);
});

testPool("a PublicConn is served at once by an idle ProxyConn, and another one is asked for", 1, (s) => {
  s.takeNotices();
  const { far } = s.arrive();
  assertEquals(s.tickets.length, 0);
  s.visit(5);
  assertEquals(s.start(far), { session: 1 as SessionNo, tunnel: 5 as TunnelNo, ask: false, visitor: VISITOR });
  assertEquals(s.tickets.length, 1);
});

testPool("payload follows right behind the start of the session, whole", 1, (s, stage) => {
  s.takeNotices();
  const { far } = s.arrive();
  const bytes = noise(1, 60_000);
  const user = s.visit();
  user.sendAll(bytes);
  s.start(far);
  stage.until(() => far.read().count === bytes.length, "the payload");
  assertSameBytes(far.take(), bytes);
});

testPool("without an idle ProxyConn PublicConns wait, and are served in the order of coming", 0, (s, stage) => {
  assertEquals(s.tickets.length, 0);
  const users = [s.visit(11), s.visit(12), s.visit(13)];
  assertEquals([s.tickets.length, s.pool.waiting], [3, 3]);
  users.forEach((user, i) => user.sendAll(`from ${i}`));
  for (let i = 0; i < 3; i++) {
    const { far } = s.arrive();
    assertEquals(s.start(far).tunnel as number, 11 + i);
    stage.step(2);
    assertEquals(far.text(), `from ${i}`);
  }
  assertEquals([s.tickets.length, s.pool.waiting], [0, 0]);
});

testPool("a ProxyConn serves one session after the other, numbered", 1, (s) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  for (let session = 1; session <= 5; session++) {
    const user = s.visit();
    assertEquals(s.pool.proxy(id)?.session as number, session);
    s.run(id, far, user);
    assertEquals(s.pool.proxy(id)?.state, "idle");
  }
  assertEquals(s.counters[TUNNEL + Count.sessionsEnded], 5);
  assertEquals([s.counters[Count.proxyConnsOpened], s.counters[Count.noticeConnsOpened]], [1, 1]);
});

testPool("a ProxyConn is not used again before the client has freed it", 1, (s, stage) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  user.close();
  s.pool.proxy(id)!.onShutdownPeer(session, 0);
  stage.step(2);
  assertEquals(s.pool.proxy(id)?.state, "finished");
  s.visit();
  assertEquals([s.pool.waiting, far.text()], [1, ""]);
  s.pool.proxy(id)!.onFree((session + 1) as SessionNo);
  assertEquals(s.pool.waiting, 1, "that was another session");
  s.pool.proxy(id)!.onFree(session);
  stage.step();
  assertEquals(s.start(far).session as number, 2);
});

testPool("the surplus is closed after ten idle seconds, and what is kept ready is kept", 2, (s) => {
  s.takeNotices();
  const users = Array.from({ length: 6 }, () => s.visit());
  const conns: { id: ProxyId; far: Peer }[] = [];
  while (s.tickets.length > 0) conns.push(s.arrive());
  for (const { id, far } of conns) {
    const user = users.shift();
    if (user !== undefined) s.run(id, far, user);
  }
  const open = () => conns.filter(({ far }) => far.read().state === "open").length;
  assert(open() > 2, `${open()} ProxyConns`);
  s.pass(8);
  assert(open() > 2);
  s.pass(4);
  assertEquals([open(), s.tickets.length], [2, 0]);
  s.pass(20);
  assertEquals(open(), 2);
});

testPool("a ticket that nobody comes with is replaced after ten seconds", 1, (s) => {
  const [first] = s.tickets;
  s.pass(9);
  assertEquals(s.tickets, [first]);
  s.pass(2);
  assertEquals(s.tickets.length, 1);
  assert(s.tickets[0] !== first);
});

testPool("a crowd asks for 256 ProxyConns at a time", 4, (s) => {
  for (let i = 0; i < 300; i++) s.visit();
  assertEquals([s.tickets.length, s.pool.waiting], [256, 300]);
  const { far } = s.arrive();
  s.start(far);
  assertEquals([s.tickets.length, s.pool.waiting], [256, 299], "another one takes its place at once");
});

testPool("a crowd at one tunnel delays a PublicConn of another one by one turn", 0, (s) => {
  for (let i = 0; i < 100; i++) s.visit(1);
  const [second, third] = [s.visit(2), s.visit(3)];
  second.sendAll("second");
  third.sendAll("third");
  const tunnels = Array.from({ length: 6 }, () => s.start(s.arrive().far).tunnel as number);
  assertEquals(tunnels, [1, 2, 3, 1, 1, 1]);
});

testPool("of a crowd that leaves before it is served nothing is left", 0, (s, stage) => {
  const crowd = Array.from({ length: 300 }, (_, i) => s.visit(1 + i % 3));
  for (const user of crowd.slice(1)) user.reset();
  stage.step(4);
  assertEquals(s.pool.waiting, 1);
  s.start(s.arrive().far);
  assertEquals(s.pool.waiting, 0);
});

testPool("a client at rest has no timer", 3, (s, stage) => {
  s.takeNotices();
  for (let i = 0; i < 3; i++) s.arrive();
  assert(stage.loop.timers.size > 0, "tickets were to expire");
  s.pass(12);
  assertEquals([s.tickets.length, stage.loop.timers.size], [0, 0]);
  s.visit();
  assert(stage.loop.timers.size > 0, "a ticket may expire again");
});

testPool("a ProxyConn that the client does not free is closed, and the session is complete", 1, (s, stage) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  user.sendAll("question");
  user.finish();
  far.sendAll("answer");
  s.pool.proxy(id)!.onShutdownPeer(session, 6);
  stage.step(4);
  assertEquals([s.pool.proxy(id)?.state, user.text(), user.state], ["finished", "answer", "end"]);
  stage.until(() => !s.pool.proxy(id)!.hasUnsent, "the client's kernel has all of it");
  s.pass(14);
  assertEquals([s.pool.proxy(id)?.state, far.state], ["finished", "open"]);
  s.pass(3);
  assertEquals(s.pool.proxy(id), undefined);
  assertEquals([far.text(), far.state], ["question", "end"]);
});

testPool("a ProxyConn whose client still takes what is left of the session may be freed later", 1, (s, stage) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  const bytes = noise(1, 6_000_000);
  let sent = 0;
  stage.until(() => {
    sent += user.send(bytes.subarray(sent));
    // the client takes as much as lets the server be finished, and leaves the rest in the server's kernel
    if (sent < bytes.length) far.read(100_000);
    return sent === bytes.length;
  }, "everything is sent");
  user.finish();
  s.pool.proxy(id)!.onShutdownPeer(session, 0);
  stage.until(() => {
    if (s.pool.proxy(id)!.state !== "finished") far.read(10_000);
    return s.pool.proxy(id)!.state === "finished";
  }, "the server is finished");
  assert(s.pool.proxy(id)!.hasUnsent);
  s.pass(40);
  assertEquals(s.pool.proxy(id)?.state, "finished");
  stage.until(() => far.read().count === bytes.length, "the rest");
  s.pool.proxy(id)!.onFree(session);
  stage.step();
  assertEquals(s.pool.proxy(id)?.state, "idle");
});

testPool("a PublicConn that waits in vain is reset after fifteen seconds", 0, (s, stage) => {
  const user = s.visit();
  s.pass(14);
  assertEquals([user.read().state, s.pool.waiting], ["open", 1]);
  s.pass(2);
  stage.until(() => user.read().state !== "open", "the end of the connection");
  assertEquals([user.state, s.pool.waiting], [Errno.ECONNRESET, 0]);
});

testPool("a PublicConn that is reset while it waits takes no ProxyConn", 0, (s) => {
  const [first, second] = [s.visit(1), s.visit(2)];
  first.reset();
  s.stage.step(2);
  second.sendAll("here");
  const { far } = s.arrive();
  assertEquals(s.start(far).tunnel as number, 2);
});

testPool("a PublicConn that has ended its direction while it waits is served in full", 0, (s, stage) => {
  const user = s.visit();
  user.sendAll("question");
  user.finish();
  stage.step(2);
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  const { session } = s.start(far);
  stage.step(2);
  assertEquals(far.text(), "question");
  const end = { type: "NotifyProxyShutdownPeerConn", proxy: id, session, total: 8 } as const;
  assertEquals(readNotices(notices), [end]);
  s.answer(far, session, START_CONNECTED);
  far.sendAll("answer");
  stage.until(() => user.read().count === 6, "the answer");
  assertEquals(user.text(), "answer");
});

testPool("a ProxyConn that the client ends while it is idle is replaced", 1, (s) => {
  s.takeNotices();
  for (const end of ["finish", "reset"] as const) {
    const { id, far } = s.arrive();
    far[end]();
    s.stage.step(2);
    assertEquals(s.pool.proxy(id), undefined);
    assertEquals(s.tickets.length, 1);
  }
});

testPool("a ProxyConn on which the client speaks out of turn is closed", 1, (s) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  far.sendAll("sixteen bytes...");
  s.stage.step(2);
  assertEquals(s.pool.proxy(id), undefined);
  assertEquals(s.tickets.length, 1);
});

testPool("a client that refuses a session resets its PublicConn, and the ProxyConn is used again", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  user.sendAll("lost");
  const { session } = s.start(far);
  stage.step(2);
  assertEquals(far.text(), "lost");
  s.answer(far, session, START_REFUSED);
  stage.until(() => user.read().state !== "open", "the reset");
  assertEquals([user.state, s.pool.proxy(id)?.state], [Errno.ECONNRESET, "finished"]);
  assertEquals(readNotices(notices), [{ type: "ResetSession", proxy: id, session, total: 4 }]);
  assertEquals(s.counters[TUNNEL + Count.sessionsRefused], 1);
  s.pool.proxy(id)!.onFree(session);
  s.visit();
  assertEquals(s.start(far).session as number, 2);
});

testPool("a visitor that resets costs no ProxyConn, and what it sent before arrives", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  for (let session = 1; session <= 5; session++) {
    const user = s.visit();
    const { session: number } = s.start(far);
    user.sendAll("question");
    user.reset();
    stage.until(() => s.pool.proxy(id)?.state === "resetting", "the reset");
    stage.step(2);
    assertEquals(far.text(), "question");
    assertEquals(readNotices(notices), [{ type: "ResetSession", proxy: id, session: number, total: 8 }]);
    // the client was about to answer
    s.answer(far, number, START_CONNECTED);
    far.sendAll("answer");
    s.pool.proxy(id)!.onResetPeer(number, 6);
    stage.until(() => s.pool.proxy(id)?.state === "finished", "the session is settled");
    s.pool.proxy(id)!.onFree(number);
    assertEquals(s.pool.proxy(id)?.state, "idle");
  }
  assertEquals([s.counters[TUNNEL + Count.sessionsReset], s.counters[TUNNEL + Count.bytesLostFromProxy]], [5, 30]);
});

testPool("a ProxyConn whose session was reset is not ended in order before the client has freed it", 1, (s, stage) => {
  s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  s.pool.proxy(id)!.onShutdownPeer(session, 0);
  user.reset();
  stage.until(() => s.pool.proxy(id)?.state === "finished", "the session is settled");
  s.pool.lose();
  stage.until(() => far.read().state !== "open", "the end of the ProxyConn");
  assertEquals(far.state, Errno.ECONNRESET);
});

testPool("a ProxyConn that was idle for more than three seconds is asked before it gets payload", 1, (s, stage) => {
  s.takeNotices();
  const { far } = s.arrive();
  s.pass(4);
  const user = s.visit();
  user.sendAll("precious");
  stage.step(2);
  const { ask, session } = s.start(far);
  assert(ask);
  assertEquals(far.text(), "");
  s.answer(far, session, START_ALIVE);
  assertEquals(far.text(), "precious");
  s.answer(far, session, START_CONNECTED);
  far.sendAll("reply");
  stage.step(2);
  assertEquals(user.text(), "reply");
});

for (const death of ["resets", "ends"]) {
  testPool(
    `when an idle ProxyConn ${death} when asked, another one gets the PublicConn's every byte`,
    2,
    (s, stage) => {
      const notices = s.takeNotices();
      const conns = [s.arrive(), s.arrive()];
      s.pass(4);
      const user = s.visit(9);
      user.sendAll("first ");
      user.finish();
      stage.step(2);
      const asked = conns.findIndex(({ far }) => far.read().count > 0);
      const dead = conns[asked].far;
      assert(s.start(dead).ask);
      if (death === "resets") dead.reset();
      else dead.close();
      stage.step(3);
      assertEquals(s.pool.proxy(conns[asked].id), undefined);
      // the other one has been idle as long and is asked as well
      const { far } = conns[1 - asked];
      const { ask, session, tunnel } = s.start(far);
      assertEquals([ask, session as number, tunnel as number], [true, 1, 9]);
      s.answer(far, session, START_ALIVE);
      assertEquals(far.text(), "first ");
      assertEquals(
        readNotices(notices),
        [{ type: "NotifyProxyShutdownPeerConn", proxy: conns[1 - asked].id, session, total: 6 }],
        "nothing is told about the dead one",
      );
      assertEquals([s.counters[TUNNEL + Count.sessionsOpened], s.counters[TUNNEL + Count.sessionsReset]], [1, 0]);
    },
  );
}

testPool("a ProxyConn that says nothing when asked takes with it all that were silent for as long", 3, (s, stage) => {
  const notices = s.takeNotices();
  const conns = [s.arrive(), s.arrive(), s.arrive()];
  s.pass(2);
  const guest = s.visit();
  const busy = conns.find(({ far }) => far.read().count > 0)!;
  s.answer(busy.far, s.start(busy.far).session, START_CONNECTED);
  const old = conns.filter((conn) => conn !== busy);
  s.pass(2);
  const user = s.visit();
  user.sendAll("first");
  stage.step(2);
  const asked = old.find(({ far }) => far.read().count > 0)!;
  const other = old.find((conn) => conn !== asked)!;
  assert(s.start(asked.far).ask);
  s.pass(3);
  assertEquals(old.map(({ id }) => s.pool.proxy(id)), [undefined, undefined]);
  assertEquals([other.far.read().state, notices.read().state], ["end", "end"]);
  const { far } = s.arrive();
  assertEquals(s.start(far).ask, false);
  assertEquals(far.text(), "first", "nobody else is asked");
  // the session that was under way ends by FIN
  guest.finish();
  stage.until(() => busy.far.read().state === "end", "the FIN");
  assertEquals(s.counters[Count.noticeConnsOpened], 2);
});

testPool("a notice connection on which something came lately is kept when a ProxyConn says nothing", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { far: dead } = s.arrive();
  s.pass(4);
  s.visit();
  assert(s.start(dead).ask);
  notices.sendAll(noticeBytes({ type: "FreeProxyConnReq", proxy: 4711 as ProxyId, session: 1 as SessionNo }));
  stage.step(2);
  s.pass(3);
  assertEquals(notices.read().state, "open");
});

testPool("when no other ProxyConn is there, the PublicConn of a dead one is the first to get a new one", 1, (s) => {
  s.takeNotices();
  const { far: dead } = s.arrive();
  s.pass(4);
  const [user] = [s.visit(1), s.visit(2)];
  user.sendAll("kept");
  assert(s.start(dead).ask);
  s.pass(3);
  const { far } = s.arrive();
  const { ask, tunnel } = s.start(far);
  assertEquals([ask, tunnel as number], [false, 1]);
  s.stage.step(2);
  assertEquals(far.text(), "kept");
});

testPool("a PublicConn outlives 20,000 idle ProxyConns that die at once", MOST_DEAD, (s, stage) => {
  s.takeNotices();
  const idle = s.addIdle(MOST_DEAD);
  // its event is seen together with no more than a few of those of the dead
  const user = s.comes();
  user.sendAll("here");
  idle.reset();
  stage.step(2);
  assertEquals(s.pool.waiting, 1);
  const { far } = s.arrive();
  s.start(far);
  stage.until(() => far.read().count === 4, "the payload");
});

testPool("a PublicConn that is reset while its ProxyConn is asked leaves what it sent for it", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  s.pass(4);
  const user = s.visit();
  user.sendAll("last words");
  const { ask, session } = s.start(far);
  assert(ask);
  user.reset();
  stage.step(3);
  assertEquals(far.text(), "");
  s.answer(far, session, START_ALIVE);
  stage.step(2);
  assertEquals(far.text(), "last words");
  assertEquals(readNotices(notices), [{ type: "ResetSession", proxy: id, session, total: 10 }]);
  s.answer(far, session, START_CONNECTED);
  s.pool.proxy(id)!.onResetPeer(session, 0);
  stage.until(() => s.pool.proxy(id)?.state === "finished", "the session is settled");
  assertEquals(s.counters[TUNNEL + Count.sessionsReset], 1);
});

testPool("when the ctl_conn is lost, sessions go on and everything else is reset", 2, (s, stage) => {
  s.takeNotices();
  const conns = [s.arrive(), s.arrive()];
  const users = [s.visit(), s.visit(), s.visit()];
  for (const { far } of conns) assertEquals(s.start(far).session as number, 1);
  assertEquals(s.pool.waiting, 1);
  s.pool.lose();
  stage.step(2);
  assertEquals([s.tickets.length, s.pool.waiting], [0, 0]);
  stage.until(() => users[2].read().state === Errno.ECONNRESET, "the reset of the one that waited");
  for (const { far } of conns) {
    s.answer(far, 1, START_CONNECTED);
    far.sendAll("still here");
  }
  stage.step(2);
  for (const user of users.slice(0, 2)) assertEquals(user.text(), "still here");
  const late = s.visit();
  stage.until(() => late.read().state === Errno.ECONNRESET, "the reset of the one that came too late");
});

testPool("notices that come on the notice connection reach their sessions", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  user.close();
  stage.step(2);
  assertEquals(readNotices(notices), [{ type: "NotifyProxyShutdownPeerConn", proxy: id, session, total: 0 }]);
  const of = { proxy: id, session, total: 0 };
  notices.sendAll(
    noticeBytes({ type: "NotifyProxyShutdownPeerConn", ...of }, { type: "FreeProxyConnReq", ...of }),
  );
  stage.step(2);
  assertEquals(s.pool.proxy(id)?.state, "idle");
});

testPool("when the notice connection is lost, its sessions end by FIN and another one is made", 1, (s, stage) => {
  const notices = s.takeNotices();
  const { far } = s.arrive();
  const user = s.visit();
  const { session } = s.start(far);
  s.answer(far, session, START_CONNECTED);
  notices.close();
  stage.step(2);
  user.sendAll("to the end");
  user.finish();
  stage.until(() => far.read().state === "end", "the FIN");
  assertEquals(far.text(), "to the end");
  far.sendAll("and back");
  far.finish();
  stage.until(() => user.read().state === "end", "the other FIN");
  assertEquals([user.text(), s.counters[TUNNEL + Count.sessionsEnded]], ["and back", 1]);
  s.takeNotices();
});

testPool("what breaks the protocol on the notice connection ends it", 1, (s, stage) => {
  const far = s.takeNotices();
  far.sendAll("no notice, by no means");
  stage.step(2);
  stage.until(() => far.read().state !== "open", "the end of the connection");
});

testPool("a ProxyConn is not used before there is a notice connection beside it", 1, (s, stage) => {
  const user = s.visit();
  user.sendAll("hello");
  const [first, second] = [s.arriveEarly(), s.arriveEarly()];
  assertEquals([s.pool.waiting, first.far.text(), second.far.text()], [1, "", ""]);
  assertEquals([s.tickets.length, s.noticeTickets.length], [0, 1]);
  s.takeNotices();
  assertEquals(s.pool.waiting, 0);
  const { far } = [first, second].find(({ id }) => s.pool.proxy(id)!.inSession)!;
  s.start(far);
  stage.until(() => far.read().count === 5, "the payload");
});

testPool("a notice connection that does not come is asked for again, and ProxyConns do not wait for it", 1, (s) => {
  const [former] = s.noticeTickets;
  const { id, far } = s.arriveEarly();
  s.pass(12);
  assertEquals([s.noticeTickets.length, s.pool.proxy(id), far.read().state], [1, undefined, "end"]);
  assert(s.noticeTickets[0] !== former);
  assertEquals(s.tickets.length, 1);
  s.arrive();
  s.pass(12);
  assertEquals([s.tickets.length, s.noticeTickets.length], [0, 0]);
});

testPool("few ProxyConns go to one relay Worker of the client, and many to all", 1, (s) => {
  const workers = () => new Set(s.tickets.map((proxy) => proxy % WORKERS));
  assertEquals([...workers()], [INDEX % WORKERS]);
  s.arrive();
  for (let i = 0; i < 60; i++) s.visit();
  // two Workers of the server share six of the client
  assertEquals([workers().size, s.noticeTickets.length], [WORKERS / RELAYS, WORKERS / RELAYS - 1]);
  for (const proxy of s.tickets) assertEquals(proxy % RELAYS, INDEX);
});

testPool("a notice connection beside which there is no ProxyConn any more is closed", 0, (s, stage) => {
  const user = s.visit();
  const notices = s.takeNotices();
  const { id, far } = s.arrive();
  s.run(id, far, user);
  s.pass(9);
  assertEquals([s.pool.proxy(id)?.state, notices.read().state], ["idle", "open"]);
  s.pass(2);
  assertEquals([s.pool.proxy(id), notices.read().state], [undefined, "open"], "the surplus goes first");
  s.pass(3);
  assertEquals([notices.read().state, s.counts.of(Held.NOTICES, GRANT), stage.loop.timers.size], ["end", 0, 0]);
  s.visit();
  assertEquals(s.noticeTickets.length, 1);
  s.start(s.arrive().far);
});

testPool(
  "of ProxyConns that their client does not free, so many are kept as its token may have connections, and its pool",
  1,
  (s) => {
    s.takeNotices();
    for (let visits = 0; visits < 20; visits++) {
      const user = s.visit();
      const { id, far } = s.arrive();
      const { session } = s.start(far);
      s.answer(far, session, START_CONNECTED);
      user.close();
      s.pool.proxy(id)!.onShutdownPeer(session, 0);
      s.stage.step(2);
      // the end of the session that is closed for want of room is in order: what was in the kernel's buffers arrives
      assertEquals(far.read().state, visits < 4 ? "open" : "end");
    }
    assertEquals(s.counts.of(Held.SPARES, GRANT), 4);
  },
  3,
);

testPool(
  "the kernel is asked about the peers of connections on which something may be under way, and of no others",
  3,
  (s, stage) => {
    using asked = countReads();
    new PeerSweep({ loop: stage.loop, log() {} });
    const { id, far } = [s.arrive(), s.arrive(), s.arrive()][2];
    s.pass(30);
    assertEquals(asked.reads, 0, "three idle ProxyConns and their notice connection");
    const user = s.visit();
    const { session } = s.start(far);
    s.answer(far, session, START_ALIVE);
    s.answer(far, session, START_CONNECTED);
    s.pass(6);
    assert(asked.reads >= 2, "a session has two sockets");
    user.close();
    s.pool.proxy(id)!.onShutdownPeer(session, 0);
    s.pool.proxy(id)!.onFree(session);
    s.pass(6);
    const { reads } = asked;
    assertEquals(s.pool.proxy(id)?.state, "idle");
    s.pass(30);
    assertEquals(asked.reads, reads, "the session is over, and the notice of its end has arrived");
  },
);

/** Counts how often the kernel is asked what it knows of a connection. */
function countReads(): { reads: number } & Disposable {
  const real = TcpInfo.prototype.read;
  const counted = { reads: 0, [Symbol.dispose]: () => void (TcpInfo.prototype.read = real) };
  TcpInfo.prototype.read = function (fd) {
    counted.reads++;
    return real.call(this, fd);
  };
  return counted;
}

testPool("a ProxyConn that there is no room for is closed as it comes, and not asked for again and again", 2, (s) => {
  s.takeNotices();
  const others = 5;
  for (let i = 0; i < others; i++) s.counts.count(Held.SPARES, GRANT, 1);
  assertEquals(s.arrive().far.read().state, "end");
  s.pass(5);
  assertEquals(s.tickets.length, 1, "the one that was asked for before");
  for (let i = 0; i < others; i++) s.counts.count(Held.SPARES, GRANT, -1);
  s.pass(1);
  assertEquals(s.tickets.length, 2);
}, 3);
