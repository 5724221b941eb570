// The notice connections of one relay Worker of the client: one from each relay Worker of the server.
import type { ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/notice_reader.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { ClientProxyConn, ClientProxyNotices } from "./client_proxy_conn.ts";

/** See the file's head. One thread. */
export class ClientNotices implements ClientProxyNotices, NoticeConnEvents {
  readonly #around: RelaySurroundings;
  /** By the ctl_conn, for as long as there is no notice connection. */
  readonly #byCtlConn: ClientProxyNotices;
  readonly #proxies: ReadonlyMap<ProxyId, ClientProxyConn>;
  /** By the server's relay Worker at the other end. */
  readonly #conns = new Map<number, NoticeConn>();

  /**
   * There is no notice connection yet.
   *
   * @param around The Worker.
   * @param byCtlConn The way where there is none.
   * @param proxies The ProxyConns that the notices are about.
   */
  constructor(
    around: RelaySurroundings,
    byCtlConn: ClientProxyNotices,
    proxies: ReadonlyMap<ProxyId, ClientProxyConn>,
  ) {
    this.#around = around;
    this.#byCtlConn = byCtlConn;
    this.#proxies = proxies;
  }

  /** The notice connection beside a ProxyConn, or the ctl_conn. */
  #wayOf(proxy: ProxyId): ClientProxyNotices {
    const worker = this.#proxies.get(proxy)?.worker;
    return (worker === undefined ? undefined : this.#conns.get(worker)) ?? this.#byCtlConn;
  }

  /** Tells the server that a session is finished here. */
  free(proxy: ProxyId, session: SessionNo): void {
    this.#wayOf(proxy).free(proxy, session);
  }

  /** Tells the server the end of a direction. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    this.#wayOf(proxy).shutdownPeer(proxy, session, total, urgent);
  }

  /** Tells the server of a reset. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    this.#wayOf(proxy).reset(proxy, session, total);
  }

  /** The server has made a notice connection of a ProxyConn. */
  start({ id, worker }: ClientProxyConn, socket: StreamSocket): void {
    const former = this.#conns.get(worker);
    // the server has lost it, and with it perhaps notices from here
    if (former !== undefined) {
      former.close();
      this.onNoticesClosed(former);
    }
    this.#conns.set(worker, new NoticeConn(this.#around, id, socket, false, this));
  }

  /** Not here. */
  onNoticesResponse(): void {
    throw new Error("Only a server's notice connection awaits a response");
  }

  /** A notice that did not come by the ctl_conn. */
  onNotice(notice: Notice): void {
    const proxy = this.#proxies.get(notice.proxy);
    switch (notice.type) {
      case "NotifyProxyShutdownPeerConn":
        return proxy?.onShutdownPeer(notice.session, notice.total);
      case "ResetSession":
        return proxy?.onResetPeer(notice.session, notice.total);
      case "FreeProxyConnReq":
        throw new ProtocolError("FreeProxyConnReq is for the server");
      default:
        return notice satisfies never;
    }
  }

  /** Notices may be lost with it: its sessions end by FIN, and what is over here is told again by the ctl_conn. */
  onNoticesClosed(conn: NoticeConn): void {
    for (const [worker, present] of this.#conns) {
      if (present !== conn) continue;
      this.#conns.delete(worker);
      for (const proxy of [...this.#proxies.values()]) {
        if (proxy.worker !== worker) continue;
        proxy.tellAgain();
        proxy.orphan();
      }
    }
  }

  /** The ctl_conn is gone, and they go with it. */
  close(): void {
    for (const conn of this.#conns.values()) conn.close();
    this.#conns.clear();
  }
}
