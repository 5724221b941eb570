// The notice connections of one client on one relay Worker of the server: one for each of its lanes to the client's relay
// Workers. A ProxyConn is not used before there is one beside it.
import type { ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/messages.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import type { Notices } from "../../relay/proxy_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { TokenAccount } from "../token_shares.ts";
import type { ServerProxyConn } from "./server_proxy_conn.ts";

/**
 * Ms after which a notice connection is closed beside which there is no ProxyConn: they have been idle for long before
 * that.
 */
const UNUSED_MS = 2000;

/** The owner of the ProxyConns that the notices are about. */
export interface ServerNoticesOwner {
  /** The ProxyConn of that number. */
  proxy(id: ProxyId): ServerProxyConn | undefined;
  /** A lane needs a notice connection. */
  onNoticesNeeded(lane: number): void;
  /** There is one on this lane: its ProxyConns may be used. */
  onNoticesUp(lane: number): void;
  /** It is gone: the sessions on this lane have relied on it. */
  onNoticesLost(lane: number): void;
}

/** The way to one relay Worker of the client. */
interface Lane {
  conn: NoticeConn | null;
  /** A notice connection was asked for and is not here yet. */
  asked: boolean;
  /** ProxyConns that are there or were asked for. */
  proxies: number;
  /** Since when there is none, in ms of the loop's clock. */
  unusedSince: number;
}

/** See the file's head. One thread. */
export class ServerNotices implements Notices, NoticeConnEvents {
  readonly #around: RelaySurroundings;
  readonly #relays: number;
  readonly #stride: number;
  readonly #account: TokenAccount;
  readonly #owner: ServerNoticesOwner;
  /** By number. Only few are used. */
  readonly #lanes = new Map<number, Lane>();

  /**
   * There is no notice connection yet.
   *
   * @param around The Worker.
   * @param relays How many relay Workers the server has.
   * @param stride See `Lanes`.
   * @param account Where they are counted.
   * @param owner Has the ProxyConns.
   */
  constructor(
    around: RelaySurroundings,
    relays: number,
    stride: number,
    account: TokenAccount,
    owner: ServerNoticesOwner,
  ) {
    this.#around = around;
    this.#relays = relays;
    this.#stride = stride;
    this.#account = account;
    this.#owner = owner;
  }

  /** The lane on which a ProxyConn is. */
  laneOf(proxy: ProxyId): number {
    return Math.floor(proxy / this.#relays) % this.#stride;
  }

  /** A ProxyConn is about to be asked for on a lane: it counts here until it is gone. */
  use(number: number): void {
    let lane = this.#lanes.get(number);
    if (lane === undefined) this.#lanes.set(number, lane = { conn: null, asked: false, proxies: 0, unusedSince: 0 });
    lane.proxies++;
    if (lane.conn !== null || lane.asked) return;
    lane.asked = true;
    this.#owner.onNoticesNeeded(number);
  }

  /** A ProxyConn is closed, or never came with its ticket. Returns whether it was the last of its lane. */
  unuse(proxy: ProxyId): boolean {
    const lane = this.#lanes.get(this.laneOf(proxy));
    if (lane === undefined || --lane.proxies > 0) return false;
    lane.unusedSince = this.#around.loop.now;
    return true;
  }

  /** Takes in a notice connection that has shown its ticket. */
  add(id: ProxyId, socket: StreamSocket): void {
    const number = this.laneOf(id);
    const lane = this.#lanes.get(number);
    if (lane === undefined) return socket.close();
    // asked for twice, and the client knows only the one that came last
    if (lane.conn !== null) {
      lane.asked = true;
      lane.conn.close();
      this.onNoticesClosed(lane.conn);
    }
    lane.asked = false;
    lane.conn = new NoticeConn(this.#around, id, socket, this);
    this.#account.countNotices(1);
    this.#owner.onNoticesUp(number);
  }

  /** The ticket of a notice connection has expired. */
  onTicketExpired(id: ProxyId): void {
    const number = this.laneOf(id);
    const lane = this.#lanes.get(number);
    if (lane === undefined || lane.conn !== null) return;
    lane.asked = lane.proxies > 0;
    if (lane.asked) this.#owner.onNoticesNeeded(number);
  }

  /** Whether a ProxyConn may be used. */
  standBeside(proxy: ProxyId): boolean {
    return this.#connOf(proxy) !== null;
  }

  #connOf(proxy: ProxyId): NoticeConn | null {
    return this.#lanes.get(this.laneOf(proxy))?.conn ?? null;
  }

  /** The end of a direction; by FIN when it cannot be told. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    const conn = this.#connOf(proxy);
    if (conn === null) this.#owner.proxy(proxy)?.orphan();
    else conn.shutdownPeer(proxy, session, total, urgent);
  }

  /** A reset. Where it cannot be told, that of the ProxyConn tells it. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    const conn = this.#connOf(proxy);
    if (conn === null) this.#owner.proxy(proxy)?.orphan();
    else conn.reset(proxy, session, total);
  }

  /** A notice of the client. */
  onNotice(notice: Notice): void {
    const proxy = this.#owner.proxy(notice.proxy);
    switch (notice.type) {
      case "NotifyProxyShutdownPeerConn":
        return proxy?.onShutdownPeer(notice.session, notice.total);
      case "FreeProxyConnReq":
        return proxy?.onFree(notice.session);
      case "ResetSession":
        return proxy?.onResetPeer(notice.session, notice.total);
      default:
        return notice satisfies never;
    }
  }

  /** Notices may be lost with it. */
  onNoticesClosed(conn: NoticeConn): void {
    const number = this.laneOf(conn.id);
    const lane = this.#lanes.get(number)!;
    this.#account.countNotices(-1);
    lane.conn = null;
    this.#owner.onNoticesLost(number);
    if (lane.proxies === 0 || lane.asked) return;
    lane.asked = true;
    this.#owner.onNoticesNeeded(number);
  }

  /** A ProxyConn has been silent for so long that it is dead: so is the notice connection if nothing came on it either. */
  onSilent(proxy: ProxyId, silentMs: number): void {
    const conn = this.#connOf(proxy);
    if (conn === null || this.#around.loop.now - conn.lastHeard <= silentMs) return;
    conn.close();
    this.onNoticesClosed(conn);
  }

  /**
   * Closes notice connections without a ProxyConn beside them for a while.
   *
   * @param now Ms of the loop's clock.
   * @returns Whether there are more without a ProxyConn.
   */
  sweep(now: number): boolean {
    let unused = false;
    for (const [number, { conn, proxies, unusedSince }] of this.#lanes) {
      if (proxies > 0) continue;
      if (now - unusedSince <= UNUSED_MS) unused = true;
      else {
        this.#lanes.delete(number);
        this.#close(conn);
      }
    }
    return unused;
  }

  #close(conn: NoticeConn | null): void {
    if (conn === null) return;
    conn.close();
    this.#account.countNotices(-1);
  }

  /** The ctl_conn is gone, and they go with it. */
  close(): void {
    for (const { conn } of this.#lanes.values()) this.#close(conn);
    this.#lanes.clear();
  }
}
