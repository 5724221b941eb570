// The ProxyConns of one client on one relay Worker, and the PublicConns that wait for one.
import type { ControlId, ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/notice_reader.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { decodeStartNoticesRsp } from "../../protocol/proxy_frame.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import type { Notices } from "../../relay/proxy_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { PortPlace } from "../connection_counts.ts";
import type { TokenAccount } from "../token_shares.ts";
import type { PublicConn, PublicConnOwner } from "./public_conn.ts";
import { ASK_AFTER_MS, ServerProxyConn, type ServerProxyOwner } from "./server_proxy_conn.ts";

const SWEEP_MS = 1000;
/** Ms after which an idle ProxyConn beyond the ones kept ready is closed. */
const SURPLUS_IDLE_MS = 10_000;
/** Ms for which a PublicConn waits for a ProxyConn. */
const PUBLIC_WAIT_MS = 15_000;
/** Ms for which a ticket is good; then another ProxyConn is asked for. */
const TICKET_MS = 10_000;
/** Most ProxyConns that a client is asked for at a time. */
const MOST_TICKETS = 256;

/** Asks the client for a ProxyConn, by way of the control Worker. */
export interface ProxyRequests {
  /** Makes a ticket and sends it; returns the number of the ProxyConn to come. */
  request(pool: ProxyPool): ProxyId;
  /** The ticket is not good any more. */
  revoke(proxy: ProxyId): void;
}

/** See the file's head. One thread. */
export class ProxyPool implements ServerProxyOwner, PublicConnOwner, TimerTarget, Notices, NoticeConnEvents {
  /** The client's Control. */
  readonly control: ControlId;
  /** The account of the client's token. */
  readonly account: TokenAccount;
  readonly #around: RelaySurroundings;
  readonly #loop: EventLoop;
  readonly #notices: Notices;
  readonly #requests: ProxyRequests;
  readonly #poolCount: number;
  readonly #proxies = new Map<ProxyId, ServerProxyConn>();
  /** Used last first, so that the surplus grows old at the front. */
  readonly #idle: ServerProxyConn[] = [];
  readonly #waiting: PublicConn[] = [];
  /** Asked for and not here yet, with the time of asking. */
  readonly #tickets = new Map<ProxyId, number>();
  readonly #sweep = new Timer(this);
  /** By the client's relay Worker at the other end, which has the ProxyConns whose numbers leave that remainder. */
  readonly #noticeConns = new Map<number, NoticeConn>();
  /** Has not been answered yet. */
  #newNoticeConn: NoticeConn | null = null;
  /** How many relay Workers the client has, 0 until the first notice connection tells. */
  #clientWorkers = 0;
  #lost = false;

  /** Makes an empty pool and asks for the first ProxyConns. */
  constructor(
    control: ControlId,
    account: TokenAccount,
    around: RelaySurroundings,
    notices: Notices,
    requests: ProxyRequests,
    poolCount: number,
  ) {
    this.control = control;
    this.account = account;
    this.#around = around;
    this.#loop = around.loop;
    this.#notices = notices;
    this.#requests = requests;
    this.#poolCount = poolCount;
    this.#loop.setTimer(this.#sweep, SWEEP_MS);
    this.#ask();
  }

  /** How many PublicConns wait. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** Serves a PublicConn: on an idle ProxyConn, or as soon as there is one. */
  serve(conn: PublicConn): void {
    if (this.#lost) return conn.giveUp();
    if (!this.#start(conn)) this.#waiting.push(conn);
    this.#ask();
  }

  /** Whether an idle ProxyConn has taken it. All of them may be dead by now, and that is thousands: no recursion. */
  #start(conn: PublicConn): boolean {
    for (let proxy = this.#takeIdle(); proxy !== undefined; proxy = this.#takeIdle()) {
      if (this.#startOn(proxy, conn)) return true;
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

  #takeIdle(): ServerProxyConn | undefined {
    for (let proxy = this.#idle.pop(); proxy !== undefined; proxy = this.#idle.pop()) {
      if (proxy.state === "idle" && !proxy.socket.failed && !proxy.socket.hungUp) return proxy;
      proxy.close();
    }
  }

  /** Takes in a connection that has shown its ticket. */
  add(id: ProxyId, socket: StreamSocket): void {
    this.#tickets.delete(id);
    // not even asked for again: there is no room for it
    if (this.#waiting.length === 0 && !this.account.mayKeepSpare) return socket.close();
    const proxy = new ServerProxyConn(id, socket, this.#around, this);
    this.#proxies.set(id, proxy);
    this.onIdle(proxy);
    this.#around.loop.enqueue(proxy);
    // a crowd needs more than may be asked for at a time
    this.#ask();
  }

  /** The ProxyConn of that number. */
  proxy(id: ProxyId): ServerProxyConn | undefined {
    return this.#proxies.get(id);
  }

  /** The end of a direction, told beside the ctl_conn where there is a way. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    (this.#noticeConnOf(proxy) ?? this.#notices).shutdownPeer(proxy, session, total, urgent);
  }

  /** A reset, told beside the ctl_conn where there is a way. */
  reset(proxy: ProxyId, session: SessionNo): void {
    (this.#noticeConnOf(proxy) ?? this.#notices).reset(proxy, session);
  }

  #noticeConnOf(proxy: ProxyId): NoticeConn | undefined {
    return this.#clientWorkers === 0 ? undefined : this.#noticeConns.get(proxy % this.#clientWorkers);
  }

  /** Whether this ProxyConn should become a notice connection: the Worker at its other end has none. */
  #lacksNoticeConn(proxy: ServerProxyConn): boolean {
    return this.#newNoticeConn === null && this.#noticeConnOf(proxy.id) === undefined;
  }

  #startNotices(proxy: ServerProxyConn): void {
    const socket = proxy.startNotices();
    if (socket === null) return;
    this.#newNoticeConn = new NoticeConn(this.#around, proxy.id, socket, true, this);
    this.account.countNotices(1);
  }

  /** The client has taken a notice connection up. */
  onNoticesResponse(conn: NoticeConn, frame: DataView): void {
    const workers = decodeStartNoticesRsp(frame);
    // the numbers of ProxyConns would lead to other notice connections than they have led to
    if (this.#clientWorkers !== 0 && workers !== this.#clientWorkers) {
      throw new ProtocolError(`StartNoticesRsp of ${workers} relay Workers, which were ${this.#clientWorkers}`);
    }
    this.#clientWorkers = workers;
    this.#newNoticeConn = null;
    this.#noticeConns.set(conn.id % this.#clientWorkers, conn);
  }

  /** A notice that did not come by the ctl_conn. */
  onNotice(notice: Notice): void {
    const proxy = this.#proxies.get(notice.proxy);
    switch (notice.type) {
      case "NotifyProxyShutdownPeerConn":
        return proxy?.onShutdownPeer(notice.session, notice.total);
      case "FreeProxyConnReq":
        return proxy?.onFree(notice.session);
      case "ResetSession":
        return proxy?.onReset(notice.session);
      default:
        return notice satisfies never;
    }
  }

  /** Notices may be lost: the sessions that relied on it end by FIN, and their ProxyConns are not used again. */
  onNoticesClosed(conn: NoticeConn): void {
    this.account.countNotices(-1);
    if (this.#newNoticeConn === conn) this.#newNoticeConn = null;
    const worker = this.#clientWorkers === 0 ? -1 : conn.id % this.#clientWorkers;
    if (this.#noticeConns.get(worker) !== conn) return;
    this.#noticeConns.delete(worker);
    for (const proxy of [...this.#proxies.values()]) if (proxy.id % this.#clientWorkers === worker) proxy.orphan();
  }

  /** An idle ProxyConn serves whoever waits longest. */
  onIdle(proxy: ServerProxyConn): void {
    if (proxy.socket.failed || proxy.socket.hungUp) return proxy.close();
    for (let conn = this.#waiting.shift(); conn !== undefined; conn = this.#waiting.shift()) {
      if (conn.settled) continue;
      if (!this.#startOn(proxy, conn)) this.#waiting.unshift(conn);
      return;
    }
    if (this.#lacksNoticeConn(proxy)) return this.#startNotices(proxy);
    this.#idle.push(proxy);
  }

  /**
   * What has forgotten one has forgotten all that were silent for as long: no PublicConn waits for them one by one, and no
   * end of a stream is told by a notice connection that nobody may hear.
   */
  onSilent(proxy: ServerProxyConn): void {
    for (const idle of this.#idle.filter(({ isDoubtful }) => isDoubtful)) idle.close();
    const notices = this.#noticeConnOf(proxy.id);
    if (notices === undefined || this.#loop.now - notices.lastHeard <= ASK_AFTER_MS) return;
    notices.close();
    this.onNoticesClosed(notices);
  }

  /** A PublicConn whose ProxyConn was dead gets another one, before all others. */
  onUnserved(conn: PublicConn): void {
    if (this.#lost) return conn.giveUp();
    conn.settled = false;
    conn.socket.task = conn;
    if (!this.#start(conn)) this.#waiting.unshift(conn);
    this.#ask();
  }

  /** A PublicConn is closed. */
  onPublicClosed(place: PortPlace): void {
    this.account.publicClosed(place);
  }

  /** A closed ProxyConn is forgotten. */
  onProxyClosed(proxy: ServerProxyConn): void {
    this.#proxies.delete(proxy.id);
    const place = this.#idle.indexOf(proxy);
    if (place >= 0) this.#idle.splice(place, 1);
    if (!this.#lost) this.#ask();
  }

  /** Asks for as many as wait, plus the ones kept ready while the token may have more. */
  #ask(): void {
    if (this.#lost) return;
    const ready = this.account.mayKeepSpare ? this.#poolCount - this.#idle.length : 0;
    const wanted = Math.min(this.#waiting.length + ready, MOST_TICKETS);
    while (this.#tickets.size < wanted) this.#tickets.set(this.#requests.request(this), this.#loop.now);
  }

  /** Every second: closes the surplus, gives up who waited too long, and replaces tickets that nobody came with. */
  onTimer(): void {
    const { now } = this.#loop;
    while (this.#idle.length > this.#poolCount && now - this.#idle[0].idleSince > SURPLUS_IDLE_MS) {
      this.#idle[0].close();
    }
    while (this.#waiting.length > 0 && (this.#waiting[0].settled || now - this.#waiting[0].since > PUBLIC_WAIT_MS)) {
      const conn = this.#waiting.shift()!;
      if (!conn.settled) conn.giveUp();
    }
    for (const [id, since] of this.#tickets) {
      if (now - since < TICKET_MS) break;
      this.#tickets.delete(id);
      this.#requests.revoke(id);
    }
    this.#ask();
    this.#loop.setTimer(this.#sweep, SWEEP_MS);
  }

  /** The process is about to end in order. */
  leave(): void {
    for (const proxy of this.#proxies.values()) proxy.leave();
  }

  /** The ctl_conn is gone: sessions go on without it, and everything else ends. */
  lose(): void {
    this.#lost = true;
    this.#loop.timers.clear(this.#sweep);
    for (const id of this.#tickets.keys()) this.#requests.revoke(id);
    this.#tickets.clear();
    for (const conn of this.#waiting.splice(0)) if (!conn.settled) conn.giveUp();
    for (const conn of [this.#newNoticeConn, ...this.#noticeConns.values()]) {
      if (conn === null) continue;
      conn.close();
      this.account.countNotices(-1);
    }
    this.#newNoticeConn = null;
    this.#noticeConns.clear();
    for (const proxy of [...this.#proxies.values()]) proxy.orphan();
  }
}
