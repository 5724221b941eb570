// The notice connections of one client on one relay Worker of the server: one to each relay Worker of the client.
import type { ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/notice_reader.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { decodeStartNoticesRsp } from "../../protocol/proxy_frame.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import type { Notices } from "../../relay/proxy_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { TokenAccount } from "../token_shares.ts";
import type { ServerProxyConn } from "./server_proxy_conn.ts";

/** Who has the ProxyConns that the notices are about. */
export interface ServerNoticesOwner {
  /** The ProxyConn of that number. */
  proxy(id: ProxyId): ServerProxyConn | undefined;
  /** A notice connection is gone: the sessions of these ProxyConns, by the client's relay Worker, have relied on it. */
  onNoticesLost(isConcerned: (proxy: ProxyId) => boolean): void;
}

/** See the file's head. One thread. */
export class ServerNotices implements Notices, NoticeConnEvents {
  readonly #around: RelaySurroundings;
  /** By the ctl_conn, for as long as there is no notice connection. */
  readonly #byCtlConn: Notices;
  readonly #account: TokenAccount;
  readonly #owner: ServerNoticesOwner;
  /** By the client's relay Worker at the other end, which has the ProxyConns whose numbers leave that remainder. */
  readonly #conns = new Map<number, NoticeConn>();
  /** Has not been answered yet. */
  #newConn: NoticeConn | null = null;
  /** How many relay Workers the client has, 0 until the first notice connection tells. */
  #clientWorkers = 0;

  /** There is no notice connection yet. */
  constructor(around: RelaySurroundings, byCtlConn: Notices, account: TokenAccount, owner: ServerNoticesOwner) {
    this.#around = around;
    this.#account = account;
    this.#byCtlConn = byCtlConn;
    this.#owner = owner;
  }

  /** The end of a direction, told beside the ctl_conn where there is a way. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    (this.#connOf(proxy) ?? this.#byCtlConn).shutdownPeer(proxy, session, total, urgent);
  }

  /** A reset, told beside the ctl_conn where there is a way. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    (this.#connOf(proxy) ?? this.#byCtlConn).reset(proxy, session, total);
  }

  #connOf(proxy: ProxyId): NoticeConn | undefined {
    return this.#clientWorkers === 0 ? undefined : this.#conns.get(proxy % this.#clientWorkers);
  }

  /** Whether this ProxyConn should become a notice connection: the Worker at its other end has none. */
  lacks(proxy: ServerProxyConn): boolean {
    return this.#newConn === null && this.#connOf(proxy.id) === undefined;
  }

  /** Makes a notice connection of an idle ProxyConn. */
  start(proxy: ServerProxyConn): void {
    const socket = proxy.startNotices();
    if (socket === null) return;
    this.#newConn = new NoticeConn(this.#around, proxy.id, socket, true, this);
    this.#account.countNotices(1);
  }

  /** The client has taken a notice connection up. */
  onNoticesResponse(conn: NoticeConn, frame: DataView): void {
    const workers = decodeStartNoticesRsp(frame);
    // the numbers of ProxyConns would lead to other notice connections than they have led to
    if (this.#clientWorkers !== 0 && workers !== this.#clientWorkers) {
      throw new ProtocolError(`StartNoticesRsp of ${workers} relay Workers, which were ${this.#clientWorkers}`);
    }
    this.#clientWorkers = workers;
    this.#newConn = null;
    this.#conns.set(conn.id % this.#clientWorkers, conn);
  }

  /** A notice that did not come by the ctl_conn. */
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
    this.#account.countNotices(-1);
    if (this.#newConn === conn) this.#newConn = null;
    const workers = this.#clientWorkers;
    const worker = workers === 0 ? -1 : conn.id % workers;
    if (this.#conns.get(worker) !== conn) return;
    this.#conns.delete(worker);
    this.#owner.onNoticesLost((proxy) => proxy % workers === worker);
  }

  /** A ProxyConn has been silent for so long that it is dead: so is the notice connection if nothing came on it either. */
  onSilent(proxy: ProxyId, silentMs: number): void {
    const conn = this.#connOf(proxy);
    if (conn === undefined || this.#around.loop.now - conn.lastHeard <= silentMs) return;
    conn.close();
    this.onNoticesClosed(conn);
  }

  /** The ctl_conn is gone, and they go with it. */
  close(): void {
    for (const conn of [this.#newConn, ...this.#conns.values()]) {
      if (conn === null) continue;
      conn.close();
      this.#account.countNotices(-1);
    }
    this.#newConn = null;
    this.#conns.clear();
  }
}
