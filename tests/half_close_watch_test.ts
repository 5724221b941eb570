// Half-closed sessions that stand still: which are ended, by which side, and which never. The test plays the client, the
// PublicClient and time.

import type { ProxyId, SessionNo } from "../core/protocol/ids.ts";
import { encodeStartRsp, PROXY_FRAME_BYTES, START_CONNECTED } from "../core/protocol/proxy_frame.ts";
import { Count, placeOf, RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { HalfCloseWatch } from "../core/relay/half_close_watch.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { ServerProxyConn } from "../core/server/relay/server_proxy_conn.ts";
import { PublicConn } from "../core/server/relay/public_conn.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { Errno } from "../ffi/errno.ts";
import { unsentBytes } from "../ffi/socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { ConnectionCounts, portPlaceOf } from "../core/server/connection_counts.ts";
import { TokenAccount, TokenShares } from "../core/server/token_shares.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";
import { quietSurroundings } from "./support/surroundings.ts";

const HOUR_MS = 3_600_000;
const ROW = 0 as TunnelRow;
const TUNNEL = placeOf(ROW);
const SESSION = 1 as SessionNo;
/** Small, so that a megabyte does not fit. */
const BUFFER_BYTES = 4096;

/** One session on the server, relaying both ways. */
class Scene {
  readonly stage: Stage;
  readonly conn: ServerProxyConn;
  /** The client's end of the ProxyConn. */
  readonly far: Peer;
  /** The PublicClient. */
  readonly user: Peer;
  readonly counters = new RelayCounters(1, 1).block(0);
  readonly #pipes: PipePool;
  readonly #sockets: StreamSocket[] = [];

  constructor(stage: Stage, timeoutMs: number) {
    this.stage = stage;
    this.#pipes = new PipePool();
    new HalfCloseWatch(stage.loop, timeoutMs);
    const around = quietSurroundings(stage.loop, this.#pipes, this.counters);
    const counts = new ConnectionCounts(1);
    const rules = { descriptors: Infinity, maxConnections: [Infinity], poolCount: 1 };
    const owner = {
      account: new TokenAccount(0, counts, new TokenShares(rules, counts)),
      onIdle() {},
      onUnfreed() {},
      onSilent() {},
      onUnserved() {},
      onProxyClosed() {},
      onPublicClosed() {},
      shutdownPeer() {},
      reset() {},
    };
    const { socket, peer } = stage.connect(BUFFER_BYTES);
    this.far = peer;
    this.conn = new ServerProxyConn(1 as ProxyId, socket, around, owner);
    const visitor = stage.connect(BUFFER_BYTES);
    this.user = visitor.peer;
    stage.step(2);
    const visits = { serve() {}, onUnservedClosed() {} };
    this.conn.start(new PublicConn(visitor.socket, 1, ROW, portPlaceOf(0, 1), stage.loop.now, visits, () => {}));
    const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    encodeStartRsp(frame, SESSION, START_CONNECTED);
    this.far.sendAll(new Uint8Array(frame.buffer));
    stage.until(() => this.conn.state === "relaying", "the session relays");
    this.far.read(PROXY_FRAME_BYTES).take();
    this.#sockets.push(socket, visitor.socket);
    this.settle();
  }

  /** The kernel at the other end has acknowledged everything, which it may put off for a moment of real time. */
  settle(): void {
    this.stage.until(() => this.#sockets.every(({ fd }) => unsentBytes(fd) === 0), "everything is acknowledged");
  }

  /** The LocalServer has ended its side, and the PublicClient knows. */
  localEnds(total = 0): void {
    this.conn.onShutdownPeer(SESSION, total);
    this.stage.step(2);
    if (total === 0) this.settle();
  }

  /** The PublicClient has ended its side. */
  userEnds(): void {
    this.user.finish();
    this.stage.step(3);
  }

  /** Sends, while nobody reads at the other end, until not all of it gets through: the direction is blocked. */
  block(from: Peer): number {
    const moved = from === this.user ? Count.bytesToProxy : Count.bytesFromProxy;
    let sent = 0;
    do {
      sent += from.send(new Uint8Array(BUFFER_BYTES));
      this.stage.step(3);
    } while (this.counters[TUNNEL + moved] === sent);
    return sent;
  }

  /** Lets time pass in small steps, so that every look happens. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 20_000) this.stage.advance(20_000);
  }

  get isUnderWay(): boolean {
    return this.conn.inSession;
  }

  /** The PublicClient and the client both see a reset. */
  assertReset(): void {
    assertEquals(this.conn.state, "closed");
    assertEquals(this.counters[TUNNEL + Count.sessionsReset], 1);
    for (const peer of [this.user, this.far]) {
      this.stage.until(() => peer.read().state !== "open", "the reset arrives");
      assertEquals(peer.state, Errno.ECONNRESET);
    }
  }

  dispose(): void {
    this.conn.close();
    this.stage.step();
    this.#pipes.dispose();
  }
}

/** Registers a test with a session whose half-closed idling is bounded by `timeoutMs`. */
function testWatch(name: string, body: (scene: Scene) => void, timeoutMs = HOUR_MS): void {
  testOnStage(name, (stage) => {
    const scene = new Scene(stage, timeoutMs);
    try {
      body(scene);
    } finally {
      scene.dispose();
    }
  });
}

testWatch("a session that has not ended in either direction may be idle for days", (s) => {
  s.pass(48 * HOUR_MS);
  s.user.sendAll("still there");
  s.far.sendAll("so am I");
  s.stage.step(3);
  assertEquals([s.far.text(), s.user.text()], ["still there", "so am I"]);
});

testWatch("a peer that ignores the end it was told is cut off after the time-out, and not before", (s) => {
  s.localEnds();
  assertEquals(s.user.read().state, "end");
  s.pass(HOUR_MS - 60_000);
  assert(s.isUnderWay);
  s.pass(240_000);
  assertEquals(s.conn.state, "closed");
  assertEquals(s.counters[TUNNEL + Count.sessionsReset], 1);
  s.stage.until(() => s.far.read().state !== "open", "the reset arrives");
  assertEquals(s.far.state, Errno.ECONNRESET);
  assertEquals(s.stage.loop.timers.size, 1, "the watch's own timer");
});

testWatch("a slow stream behind the end of the other direction is not cut off", (s) => {
  s.localEnds();
  for (let i = 0; i < 6; i++) {
    s.pass(HOUR_MS - 240_000);
    s.user.sendAll("x");
    s.stage.step(2);
    assertEquals(s.far.text(), "x");
  }
  s.userEnds();
  assertEquals([s.conn.state, s.counters[TUNNEL + Count.sessionsEnded]], ["finished", 1]);
});

testWatch("who has ended its side may wait for an answer for ever: the other program judges its LocalServer", (s) => {
  s.userEnds();
  s.pass(24 * HOUR_MS);
  assert(s.isUnderWay);
  s.far.sendAll("at last");
  s.localEnds(7);
  assertEquals(s.user.text(), "at last");
  assertEquals(s.conn.state, "finished");
});

testWatch("who has ended its side and does not read what comes is cut off", (s) => {
  s.block(s.far);
  s.userEnds();
  s.pass(HOUR_MS + 240_000);
  s.assertReset();
});

testWatch("who reads slowly after the end of the other direction is not cut off", (s) => {
  const sent = s.block(s.far);
  s.localEnds(sent);
  let read = 0;
  for (let i = 0; i < 2; i++) {
    s.pass(HOUR_MS - 240_000);
    // the kernel makes room for its sender only in pieces of a certain size
    read += s.user.read(Math.ceil(sent / 2)).take().length;
    s.stage.step(2);
  }
  s.pass(HOUR_MS - 240_000);
  assert(s.isUnderWay);
  s.stage.until(() => s.user.read().state === "end", "everything is read");
  assertEquals(read + s.user.count, sent);
});

testWatch("a stream that has ended and that nobody at the other end takes is cut off", (s) => {
  s.block(s.user);
  s.userEnds();
  s.pass(HOUR_MS + 240_000);
  s.assertReset();
});

testWatch("who sends into a tunnel that is blocked further on is not to blame", (s) => {
  s.localEnds();
  const sent = s.block(s.user);
  s.pass(3 * HOUR_MS);
  assert(s.isUnderWay);
  s.userEnds();
  s.stage.until(() => s.far.read().count === sent, "everything is read");
  s.stage.until(() => s.conn.state === "finished", "the session ends");
});

testWatch("without a time-out a half-closed session may stand still for ever", (s) => {
  assertEquals(s.stage.loop.timers.size, 0);
  s.localEnds();
  s.pass(48 * HOUR_MS);
  assert(s.isUnderWay);
}, 0);

testWatch("a session whose ctl_conn is lost is watched as well", (s) => {
  s.conn.orphan();
  s.far.finish();
  s.stage.step(3);
  assertEquals(s.user.read().state, "end");
  s.settle();
  s.pass(HOUR_MS + 240_000);
  assertEquals(s.conn.state, "closed");
});
