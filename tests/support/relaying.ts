// One session on the server, relaying both ways, for tests of what watches over sessions. The test plays the client, the
// PublicClient and time.

import type { ControlId, ProxyId, SessionNo } from "../../core/protocol/ids.ts";
import { encodeStartRsp, PROXY_FRAME_BYTES, START_CONNECTED } from "../../core/protocol/proxy_frame.ts";
import { Count, placeOf, RelayCounters, type TunnelRow } from "../../core/relay/counters.ts";
import { PipePool } from "../../core/relay/pipe_pool.ts";
import { ConnectionCounts, portPlaceOf } from "../../core/server/connection_counts.ts";
import { TokenAccount, TokenShares } from "../../core/server/token_shares.ts";
import { PublicConn } from "../../core/server/relay/public_conn.ts";
import { ServerProxyConn } from "../../core/server/relay/server_proxy_conn.ts";
import type { StreamSocket } from "../../core/reactor/stream_socket.ts";
import { Errno } from "../../ffi/errno.ts";
import { unsentBytes } from "../../ffi/socket.ts";
import { assertEquals } from "./assert.ts";
import type { Peer, Stage } from "./stage.ts";
import { quietSurroundings } from "./surroundings.ts";

const ROW = 0 as TunnelRow;
/** The tunnel of the session. */
export const TUNNEL = placeOf(ROW);
/** Its number. */
export const SESSION = 1 as SessionNo;
/** Bytes of the sockets' buffers: small, so that a megabyte does not fit. */
export const BUFFER_BYTES = 4096;

/** See the file's head. */
export class RelayingSession {
  readonly stage: Stage;
  readonly conn: ServerProxyConn;
  /** The client's end of the ProxyConn. */
  readonly far: Peer;
  /** The PublicClient. */
  readonly user: Peer;
  readonly counters = new RelayCounters(1, 1).block(0);
  readonly #pipes: PipePool;
  readonly #sockets: StreamSocket[] = [];

  /**
   * Starts it.
   *
   * @param connect Makes its two connections. Default: over loopback.
   */
  constructor(stage: Stage, connect = () => stage.connect(BUFFER_BYTES)) {
    this.stage = stage;
    this.#pipes = new PipePool();
    const around = quietSurroundings(stage.loop, this.#pipes, this.counters);
    const counts = new ConnectionCounts(1);
    const rules = { descriptors: Infinity, maxConnections: [Infinity], poolCount: 1 };
    const owner = {
      control: 1 as ControlId,
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
    const { socket, peer } = connect();
    this.far = peer;
    this.conn = new ServerProxyConn(1 as ProxyId, socket, around, owner);
    const visitor = connect();
    this.user = visitor.peer;
    stage.step(2);
    const visits = { serve() {}, onUnservedClosed() {} };
    this.conn.start(new PublicConn(visitor.socket, 1, ROW, portPlaceOf(0, 1), 0, stage.loop.now, visits, () => {}));
    const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    encodeStartRsp(frame, SESSION, START_CONNECTED);
    this.far.sendAll(new Uint8Array(frame.buffer));
    stage.until(() => this.conn.state === "relaying", "the session relays");
    stage.until(() => this.far.read(PROXY_FRAME_BYTES).count === PROXY_FRAME_BYTES, "the client has read the start");
    this.far.take();
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

  /** Lets time pass in steps, so that every look happens. */
  pass(ms: number, stepMs = 20_000): void {
    for (let passed = 0; passed < ms; passed += stepMs) this.stage.advance(stepMs);
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
