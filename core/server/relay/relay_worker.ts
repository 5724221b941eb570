// A relay Worker of the server: PublicConn <-> ProxyConn.
import { localAddress } from "../../../ffi/socket.ts";
import { formatAddress } from "../../../ffi/socket_address.ts";
import type { ControlId } from "../../protocol/ids.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { LogLimit } from "../../reactor/log_limit.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { StreamSocket } from "../../reactor/stream_socket.ts";
import { limitBuffers } from "../../relay/buffers.ts";
import { RelayCounters } from "../../relay/counters.ts";
import { DrainWatch } from "../../relay/drain_watch.ts";
import { HalfCloseWatch } from "../../relay/half_close_watch.ts";
import { PeerSweep } from "../../relay/peer_sweep.ts";
import {
  type ClientUpRecord,
  kindOf,
  type ProxyConnRecord,
  type PublicConnRecord,
  readClientUp,
  readControlLost,
  readProxyConn,
  readPublicConn,
  RecordKind,
  sendBadTicket,
  sendNeedProxy,
  strayRecord,
} from "../../relay/records.ts";
import { type RelaySurroundings, surroundingsOf } from "../../relay/surroundings.ts";
import { ClientLoads } from "../client_loads.ts";
import { ConnectionCounts, type PortPlace } from "../connection_counts.ts";
import { idleShare, lanesOf } from "../spread.ts";
import { TokenAccount, TokenShares } from "../token_shares.ts";
import { ProxyPool, type ProxyPoolOwner } from "./proxy_pool.ts";
import { PublicConn } from "./public_conn.ts";
import { Sweep } from "./sweep.ts";
import { Tickets } from "./tickets.ts";
import { WaitingRoom } from "../waiting_room.ts";
import { CONTROL, MOST_TUNNELS, type RelayConfig } from "../worker_config.ts";

/** Lines a minute about visitors that are given up. */
const GIVEN_UP_LINES = 3;

class ServerRelay implements Reactor, ProxyPoolOwner {
  readonly #context: ReactorContext;
  readonly #config: RelayConfig;
  readonly #around: RelaySurroundings;
  readonly #pools = new Map<ControlId, ProxyPool>();
  readonly #sweep: Sweep;
  readonly #tickets: Tickets<ProxyPool>;
  readonly #drain: DrainWatch;
  readonly #givenUp: LogLimit;
  readonly #room: WaitingRoom;
  readonly #counts: ConnectionCounts;
  readonly #shares: TokenShares;
  readonly #loads: ClientLoads;

  constructor(context: ReactorContext, config: RelayConfig) {
    this.#context = context;
    this.#config = config;
    const counters = new RelayCounters(config.relays, MOST_TUNNELS, config.counters).block(config.index);
    limitBuffers(config.bufferLimit);
    this.#around = surroundingsOf(context, counters, config.pipes);
    this.#room = new WaitingRoom(config.relays, config.waitingRoom);
    this.#counts = new ConnectionCounts(config.grants, config.counts);
    this.#shares = new TokenShares(config.shares, this.#counts);
    this.#sweep = new Sweep(context.loop);
    this.#loads = new ClientLoads(config.loads);
    this.#tickets = new Tickets(
      context.loop,
      config.index,
      config.relays,
      this.#sweep,
      (control, proxy, notices, ticket) => {
        sendNeedProxy(context.mailbox, CONTROL, control, proxy, config.index, notices, ticket);
      },
    );
    this.#drain = new DrainWatch(context, counters, () => this.#waiting() + this.#around.lingering.size);
    this.#givenUp = new LogLimit(context, { lines: GIVEN_UP_LINES });
    new PeerSweep(context);
    new HalfCloseWatch(context, config.halfCloseTimeoutMs);
  }

  #waiting(): number {
    let waiting = 0;
    for (const pool of this.#pools.values()) waiting += pool.waiting;
    return waiting;
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case RecordKind.PUBLIC_CONN:
        return this.#onPublicConn(readPublicConn(words, at));
      case RecordKind.PROXY_CONN:
        return this.#onProxyConn(readProxyConn(words, at));
      case RecordKind.CONTROL_UP:
        return this.#onControlUp(readClientUp(words, at));
      case RecordKind.CONTROL_LOST:
        return this.#onControlLost(readControlLost(words, at));
      default:
        throw strayRecord(words, at);
    }
  }

  #onPublicConn({ fd, control, tunnel, row, place, visitor }: PublicConnRecord): void {
    this.#room.take(this.#config.index);
    const socket = new StreamSocket(this.#context.loop, fd, true);
    const pool = this.#pools.get(control);
    if (pool === undefined) {
      // its client left while the connection was on its way here
      socket.reset();
      this.#loads.count(control, -1);
      return this.#counts.closed(place as PortPlace);
    }
    const { now } = this.#context.loop;
    new PublicConn(socket, tunnel, row, place as PortPlace, visitor, now, pool, this.#onWaiting);
  }

  /** One closure for all PublicConns. */
  readonly #onWaiting = (change: 1 | -1): void => this.#room.count(this.#config.index, change);

  #onProxyConn({ fd, proxy, ticket }: ProxyConnRecord): void {
    const asked = this.#tickets.redeem(proxy, ticket);
    if (asked === null) {
      sendBadTicket(this.#context.mailbox, CONTROL, fd);
      return this.#context.log("debug", "Data connection is refused", { reason: "no such ticket", proxy });
    }
    asked.holder.add(proxy, asked.notices, new StreamSocket(this.#context.loop, fd));
  }

  #onControlUp({ control, grant, workers }: ClientUpRecord): void {
    const { index, relays, poolCount } = this.#config;
    const account = new TokenAccount(grant, this.#counts, this.#shares);
    const plan = { keep: idleShare(control, index, relays, poolCount), relays, lanes: lanesOf(relays, workers) };
    this.#pools.set(control, new ProxyPool(control, account, this.#around, this, plan));
  }

  #onControlLost(control: ControlId): void {
    const pool = this.#pools.get(control);
    if (pool === undefined) return;
    this.#pools.delete(control);
    pool.lose();
    this.#sweep.forget(pool);
  }

  request(pool: ProxyPool, notices: boolean, lane: number): void {
    this.#tickets.issue(pool, notices, lane);
  }

  onPublicClosed({ control }: ProxyPool): void {
    this.#loads.count(control, -1);
  }

  watch(pool: ProxyPool): void {
    this.#sweep.watch(pool);
  }

  onGivenUp({ control }: ProxyPool, { socket }: PublicConn): void {
    const port = localAddress(socket.fd);
    this.#givenUp.log(
      "warning",
      "A visitor is given up: its client makes no data connection; can the client reach proxy_port?",
      {
        client: control,
        public: port === null ? "unknown" : formatAddress(port),
      },
    );
  }

  onMessage(): void {}

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) this.#drain.start();
  }

  dispose(): void {
    for (const pool of this.#pools.values()) pool.leave();
  }
}

serveReactor((context, config) => new ServerRelay(context, config as RelayConfig));
