// The ProxyConns of one client on one relay Worker: how many are kept ready, which is used next, and which PublicConn
// gets it.
import type { ControlId, ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import { LinkedList } from "../../reactor/linked_list.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { PortPlace } from "../connection_counts.ts";
import type { Lanes } from "../spread.ts";
import type { TokenAccount } from "../token_shares.ts";
import type { PublicConn, PublicConnOwner } from "./public_conn.ts";
import { ServerNotices, type ServerNoticesOwner } from "./server_notices.ts";
import { ASK_AFTER_MS, ServerProxyConn, type ServerProxyOwner } from "./server_proxy_conn.ts";
import type { Swept } from "./sweep.ts";
import type { TicketHolder } from "./tickets.ts";
import { VisitorQueue } from "./visitor_queue.ts";

/** Ms after which an idle ProxyConn beyond the ones kept ready is closed. */
const SURPLUS_IDLE_MS = 10_000;
/** Ms for which a PublicConn waits for a ProxyConn. */
const PUBLIC_WAIT_MS = 15_000;
/** Ms within which a client that has everything of a session frees its ProxyConn, or it is not used again. */
const FREE_MS = 15_000;
/** Most ProxyConns that a client is asked for at a time. */
const MOST_TICKETS = 256;
/** With more ProxyConns than so many, a client has some on another one of its relay Workers. */
const ON_ONE_LANE = 8;

/** How a relay Worker serves a client. */
export interface PoolPlan {
  /** ProxyConns that it keeps ready. */
  readonly keep: number;
  /** How many relay Workers the server has. */
  readonly relays: number;
  /** The ways to the client's relay Workers. */
  readonly lanes: Lanes;
}

/** What a pool needs of its Worker. */
export interface ProxyPoolOwner {
  /** Asks the client for a ProxyConn or a notice connection. */
  request(pool: ProxyPool, notices: boolean, lane: number): void;
  /** The pool has something that may expire, and is to be swept. */
  watch(pool: ProxyPool): void;
  /** A PublicConn is about to be closed because no ProxyConn came for it in time. */
  onGivenUp(pool: ProxyPool, conn: PublicConn): void;
  /** A PublicConn of this client is closed. */
  onPublicClosed(pool: ProxyPool): void;
}

/** See the file's head. One thread. */
export class ProxyPool implements ServerProxyOwner, PublicConnOwner, ServerNoticesOwner, TicketHolder, Swept {
  /** The client's Control. */
  readonly control: ControlId;
  /** The account of the client's token. */
  readonly account: TokenAccount;
  readonly #around: RelaySurroundings;
  readonly #loop: EventLoop;
  readonly #owner: ProxyPoolOwner;
  readonly #notices: ServerNotices;
  readonly #plan: PoolPlan;
  readonly #proxies = new Map<ProxyId, ServerProxyConn>();
  /** Have come before the notice connection of their lane. */
  readonly #early = new LinkedList<ServerProxyConn>();
  /** Used last first, so that the surplus grows old at the front. */
  readonly #idle = new LinkedList<ServerProxyConn>();
  /** Finished here, and not yet freed by the client; in the order of finishing. */
  readonly #unfreed = new LinkedList<ServerProxyConn>();
  readonly #queue = new VisitorQueue();
  /** ProxyConns that were asked for and are not here yet. */
  #asked = 0;
  /** The lane of the next one. */
  #lane = 0;
  #lost = false;

  /** Makes an empty pool and asks for the first ProxyConns. */
  constructor(
    control: ControlId,
    account: TokenAccount,
    around: RelaySurroundings,
    owner: ProxyPoolOwner,
    plan: PoolPlan,
  ) {
    this.control = control;
    this.account = account;
    this.#around = around;
    this.#loop = around.loop;
    this.#owner = owner;
    this.#notices = new ServerNotices(around, plan.relays, plan.lanes.stride, account, this);
    this.#plan = plan;
    this.#ask();
  }

  /** How many PublicConns wait. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** See {@linkcode Lanes}. */
  get stride(): number {
    return this.#plan.lanes.stride;
  }

  /** The ctl_conn is gone. */
  get isLost(): boolean {
    return this.#lost;
  }

  /** The ProxyConn of that number. */
  proxy(id: ProxyId): ServerProxyConn | undefined {
    return this.#proxies.get(id);
  }

  /** Whether there is a ProxyConn of that number. */
  has(id: ProxyId): boolean {
    return this.#proxies.has(id);
  }

  /** Serves a PublicConn: on an idle ProxyConn, or as soon as there is one. */
  serve(conn: PublicConn): void {
    if (this.#lost) return conn.giveUp();
    if (!this.#start(conn)) {
      this.#queue.push(conn);
      this.#owner.watch(this);
    }
    this.#ask();
  }

  /** A PublicConn whose ProxyConn was dead gets another one, before all others. */
  onUnserved(conn: PublicConn): void {
    if (this.#lost) return conn.giveUp();
    conn.settled = false;
    conn.socket.task = conn;
    if (!this.#start(conn)) {
      this.#queue.putBack(conn);
      this.#owner.watch(this);
    }
    this.#ask();
  }

  /** Whether an idle ProxyConn has taken it. All may be dead by now, and that is thousands: no recursion. */
  #start(conn: PublicConn): boolean {
    for (let proxy = this.#idle.pop(); proxy !== null; proxy = this.#idle.pop()) {
      if (proxy.socket.failed || proxy.socket.hungUp) proxy.close();
      else if (this.#startOn(proxy, conn)) return true;
    }
    return false;
  }

  #startOn(proxy: ServerProxyConn, conn: PublicConn): boolean {
    conn.settled = true;
    if (proxy.start(conn)) return true;
    conn.settled = false;
    conn.socket.task = conn;
    return false;
  }

  /** A PublicConn is closed that had no ProxyConn. */
  onUnservedClosed(conn: PublicConn): void {
    this.#queue.remove(conn);
    this.onPublicClosed(conn.place);
  }

  /** A PublicConn is closed. */
  onPublicClosed(place: PortPlace): void {
    this.account.publicClosed(place);
    this.#owner.onPublicClosed(this);
  }

  /** Takes in a connection that has shown its ticket. */
  add(id: ProxyId, notices: boolean, socket: StreamSocket): void {
    if (notices) return this.#notices.add(id, socket);
    this.#asked--;
    if (this.waiting === 0 && !this.account.mayKeepSpare) {
      // not even asked for again before the next sweep: there is no room for it
      this.#notices.unuse(id);
      this.#owner.watch(this);
      return socket.close();
    }
    const proxy = new ServerProxyConn(id, socket, this.#around, this);
    this.#proxies.set(id, proxy);
    if (this.#notices.standBeside(id)) this.onIdle(proxy);
    else {
      this.#early.push(proxy);
      this.#owner.watch(this);
    }
    this.#loop.enqueue(proxy);
    // a crowd needs more than may be asked for at a time
    this.#ask();
  }

  /** ProxyConns that have come before it may be used now. */
  onNoticesUp(lane: number): void {
    for (let proxy = this.#early.first; proxy !== null;) {
      const next: ServerProxyConn | null = proxy.after;
      if (this.#notices.laneOf(proxy.id) === lane) {
        this.#early.remove(proxy);
        this.onIdle(proxy);
      }
      // what was next may be gone by now, with all others behind it
      proxy = next?.list === this.#early ? next : null;
    }
  }

  /** An idle ProxyConn serves the PublicConn whose turn it is. */
  onIdle(proxy: ServerProxyConn): void {
    this.#unfreed.remove(proxy);
    if (proxy.socket.failed || proxy.socket.hungUp) return proxy.close();
    const conn = this.#queue.next();
    if (conn === null) {
      this.#idle.push(proxy);
      if (this.#idle.length > this.#plan.keep) this.#owner.watch(this);
    } else if (!this.#startOn(proxy, conn)) {
      this.#queue.putBack(conn);
      this.#ask();
    }
  }

  /** A ProxyConn waits for the client to free it. */
  onUnfreed(proxy: ServerProxyConn): void {
    this.#unfreed.push(proxy);
    this.#owner.watch(this);
  }

  /**
   * What has forgotten one has forgotten all that were silent for as long: no PublicConn waits for one after the other,
   * and no end of a stream is told by a dead notice connection.
   */
  onSilent(proxy: ServerProxyConn): void {
    for (let idle = this.#idle.first; idle !== null && idle.isDoubtful; idle = this.#idle.first) idle.close();
    this.#notices.onSilent(proxy.id, ASK_AFTER_MS);
  }

  /** A closed ProxyConn is forgotten. */
  onProxyClosed(proxy: ServerProxyConn): void {
    this.#proxies.delete(proxy.id);
    proxy.list?.remove(proxy);
    this.#unuse(proxy.id);
    this.#ask();
  }

  #unuse(id: ProxyId): void {
    if (this.#notices.unuse(id)) this.#owner.watch(this);
  }

  /** Tells the client the end of a direction. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    this.#notices.shutdownPeer(proxy, session, total, urgent);
  }

  /** Tells the client of a reset. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    this.#notices.reset(proxy, session, total);
  }

  /** Asks for a notice connection. */
  onNoticesNeeded(lane: number): void {
    if (!this.#lost) this.#owner.request(this, true, lane);
  }

  /** The sessions that relied on the notices end by FIN, and their ProxyConns are not used again. */
  onNoticesLost(lane: number): void {
    for (const proxy of [...this.#proxies.values()]) if (this.#notices.laneOf(proxy.id) === lane) proxy.orphan();
  }

  /** Asks for as many as wait, plus the ones kept ready while the token may have more. */
  #ask(): void {
    if (this.#lost) return;
    const free = this.#idle.length + this.#early.length;
    let ready = this.#plan.keep - free;
    if (ready > 0 && !this.account.mayKeepSpare) {
      ready = 0;
      this.#owner.watch(this);
    }
    const wanted = Math.min(this.#queue.length + ready, MOST_TICKETS);
    while (this.#asked < wanted) {
      this.#asked++;
      const lane = this.#nextLane();
      this.#notices.use(lane);
      this.#owner.request(this, false, lane);
    }
  }

  /** The first lane is enough for few ProxyConns; when there are more, all Workers of the client get some. */
  #nextLane(): number {
    const lanes = Math.min(this.#plan.lanes.most, Math.ceil((this.#proxies.size + this.#asked) / ON_ONE_LANE));
    if (++this.#lane >= lanes) this.#lane = 0;
    return this.#lane;
  }

  /** Another one is asked for, if it is still needed. */
  onTicketExpired(id: ProxyId, notices: boolean): void {
    if (notices) return this.#notices.onTicketExpired(id);
    this.#asked--;
    this.#unuse(id);
    this.#ask();
  }

  /** Closes the surplus, gives up PublicConns that have waited too long, and ProxyConns that nobody frees. */
  sweep(now: number): boolean {
    const idle = this.#idle;
    const { keep } = this.#plan;
    while (idle.length > keep && now - idle.first!.idleSince > SURPLUS_IDLE_MS) idle.first!.close();
    const early = this.#early;
    while (early.first !== null && now - early.first.idleSince > SURPLUS_IDLE_MS) early.first.close();
    for (;;) {
      const conn = this.#queue.expired(now - PUBLIC_WAIT_MS);
      if (conn === null) break;
      this.#owner.onGivenUp(this, conn);
      conn.giveUp();
    }
    this.#closeUnfreed(now);
    this.#ask();
    const isShort = idle.length + early.length + this.#asked < keep;
    const hasUnused = this.#notices.sweep(now);
    return isShort || hasUnused || this.waiting > 0 || idle.length > keep || early.length + this.#unfreed.length > 0;
  }

  /**
   * What the client's kernel has taken arrives without the ProxyConn; as long as it takes more, the session goes on
   * there.
   */
  #closeUnfreed(now: number): void {
    for (let proxy = this.#unfreed.first; proxy !== null && now - proxy.idleSince > FREE_MS;) {
      if (proxy.hasUnsent) {
        proxy.idleSince = Math.floor(now);
        this.#unfreed.remove(proxy);
        this.#unfreed.push(proxy);
      } else proxy.close();
      proxy = this.#unfreed.first;
    }
  }

  /** The process is about to end in order. */
  leave(): void {
    for (const proxy of this.#proxies.values()) proxy.leave();
  }

  /** The ctl_conn is gone: sessions go on without it, and everything else ends. */
  lose(): void {
    this.#lost = true;
    for (let conn = this.#queue.next(); conn !== null; conn = this.#queue.next()) conn.giveUp();
    this.#notices.close();
    for (const proxy of [...this.#proxies.values()]) proxy.orphan();
  }
}
