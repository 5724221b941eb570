// A relay Worker of the server: PublicConn <-> ProxyConn.
import { close, type Descriptor } from "../../../ffi/descriptor.ts";
import type { ControlId, ProxyId, SessionNo } from "../../protocol/ids.ts";
import { newTicket, sameTicket, type Ticket, ticketAt } from "../../protocol/ticket.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { StreamSocket } from "../../reactor/stream_socket.ts";
import { RelayCounters, type TunnelRow } from "../../relay/counters.ts";
import { DrainWatch } from "../../relay/drain_watch.ts";
import { HalfCloseWatch } from "../../relay/half_close_watch.ts";
import type { Notices } from "../../relay/proxy_conn.ts";
import { highWord, joinWords, lowWord, Record } from "../../relay/records.ts";
import { type RelaySurroundings, surroundingsOf } from "../../relay/surroundings.ts";
import { ConnectionCounts } from "../connection_counts.ts";
import { ProxyPool, type ProxyRequests } from "./proxy_pool.ts";
import { PublicConn } from "./public_conn.ts";
import { WaitingRoom } from "../waiting_room.ts";
import { CONTROL, MOST_TUNNELS, type RelayConfig } from "../worker_config.ts";

interface Expected {
  readonly pool: ProxyPool;
  readonly ticket: Ticket;
}

class ServerRelay implements Reactor, ProxyRequests {
  readonly #context: ReactorContext;
  readonly #config: RelayConfig;
  readonly #around: RelaySurroundings;
  readonly #pools = new Map<ControlId, ProxyPool>();
  readonly #tickets = new Map<ProxyId, Expected>();
  readonly #drain: DrainWatch;
  readonly #room: WaitingRoom;
  readonly #counts: ConnectionCounts;
  #lastProxy = 0;

  constructor(context: ReactorContext, config: RelayConfig) {
    this.#context = context;
    this.#config = config;
    const counters = new RelayCounters(config.relays, MOST_TUNNELS, config.counters).block(config.index);
    this.#around = surroundingsOf(context, counters, config.pipes);
    this.#room = new WaitingRoom(config.relays, config.waitingRoom);
    this.#counts = new ConnectionCounts(config.grants, config.counts);
    this.#drain = new DrainWatch(context, counters, () => this.#waiting());
    new HalfCloseWatch(context.loop, config.halfCloseTimeoutMs);
  }

  #waiting(): number {
    let waiting = 0;
    for (const pool of this.#pools.values()) waiting += pool.waiting;
    return waiting;
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (words[at]) {
      case Record.PUBLIC_CONN:
        return this.#onPublicConn(
          words[at + 1] as Descriptor,
          words[at + 2] as ControlId,
          words[at + 3],
          words[at + 4] as TunnelRow,
          words[at + 5],
        );
      case Record.PROXY_CONN:
        return this.#onProxyConn(
          words[at + 1] as Descriptor,
          (words[at + 2] >>> 0) as ProxyId,
          ticketAt(words, at + 3),
        );
      case Record.CONTROL_UP:
        return this.#onControlUp(words[at + 1] as ControlId, words[at + 2]);
      case Record.CONTROL_LOST:
        return this.#onControlLost(words[at + 1] as ControlId);
      case Record.SHUTDOWN_PEER: {
        const total = joinWords(words[at + 4], words[at + 5]);
        return this.#proxy(words, at)?.onShutdownPeer((words[at + 3] >>> 0) as SessionNo, total);
      }
      case Record.FREE_PROXY:
        return this.#proxy(words, at)?.onFree((words[at + 3] >>> 0) as SessionNo);
      case Record.RESET_SESSION:
        return this.#proxy(words, at)?.onReset((words[at + 3] >>> 0) as SessionNo);
      default:
        throw new Error(`Record ${words[at]} does not belong here`);
    }
  }

  /** A client's notice names a ProxyConn of its own, or nothing happens. */
  #proxy(words: Int32Array, at: number) {
    return this.#pools.get(words[at + 1] as ControlId)?.proxy((words[at + 2] >>> 0) as ProxyId);
  }

  #onPublicConn(fd: Descriptor, control: ControlId, tunnel: number, row: TunnelRow, grant: number): void {
    this.#room.take(this.#config.index);
    const socket = new StreamSocket(this.#context.loop, fd, true);
    const pool = this.#pools.get(control);
    if (pool === undefined) {
      // its client left while the connection was on its way here
      socket.close();
      return this.#counts.closed(grant, row);
    }
    new PublicConn(socket, tunnel, row, this.#context.loop.now, pool, this.#onWaiting);
  }

  /** One closure for all PublicConns. */
  readonly #onWaiting = (change: 1 | -1): void => this.#room.count(this.#config.index, change);

  /** A ticket is good once. */
  #onProxyConn(fd: Descriptor, proxy: ProxyId, ticket: Ticket): void {
    const expected = this.#tickets.get(proxy);
    if (expected === undefined || !sameTicket(expected.ticket, ticket)) {
      close(fd);
      return this.#context.log("debug", "ProxyConn is refused", { reason: `no such ticket for ProxyConn ${proxy}` });
    }
    this.#tickets.delete(proxy);
    expected.pool.add(proxy, new StreamSocket(this.#context.loop, fd));
  }

  #onControlUp(control: ControlId, grant: number): void {
    const { poolCount } = this.#config;
    const notices = this.#noticesOf(control);
    this.#pools.set(control, new ProxyPool(control, grant, this.#around, notices, this, poolCount));
  }

  #noticesOf(control: ControlId): Notices {
    const { mailbox } = this.#context;
    return {
      shutdownPeer(proxy, session, total) {
        mailbox.send(CONTROL, Record.SHUTDOWN_PEER, control, proxy, session, highWord(total), lowWord(total));
      },
      reset(proxy, session) {
        mailbox.send(CONTROL, Record.RESET_SESSION, control, proxy, session);
      },
    };
  }

  #onControlLost(control: ControlId): void {
    const pool = this.#pools.get(control);
    this.#pools.delete(control);
    pool?.lose();
  }

  /** Numbers tell the control Worker which relay Worker has the ProxyConn: see `relayOf` there. */
  request(pool: ProxyPool): ProxyId {
    const { index, relays } = this.#config;
    let proxy: number;
    do {
      this.#lastProxy = this.#lastProxy + 1 > 0xffff_ffff / relays - 2 ? 1 : this.#lastProxy + 1;
      proxy = this.#lastProxy * relays + index;
    } while (this.#tickets.has(proxy as ProxyId) || pool.proxy(proxy as ProxyId) !== undefined);
    const ticket = newTicket();
    this.#tickets.set(proxy as ProxyId, { pool, ticket });
    const [a, b, c, d] = ticket;
    this.#context.mailbox.send(CONTROL, Record.NEED_PROXY, pool.control, proxy, a, b, c, d);
    return proxy as ProxyId;
  }

  revoke(proxy: ProxyId): void {
    this.#tickets.delete(proxy);
  }

  onPublicClosed({ grant }: ProxyPool, row: TunnelRow): void {
    this.#counts.closed(grant, row);
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
