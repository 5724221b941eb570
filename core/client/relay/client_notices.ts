// The notice connections of one relay Worker of the client: one from each relay Worker of the server.
import type { ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { ClientProxyConn, ClientProxyNotices } from "./client_proxy_conn.ts";

/**
 * Ms within which the server asks again for a notice connection that has never come: it waits for 10 s, and looks now
 * and then.
 */
const ASKED_AGAIN_MS = 15_000;
/** Ms within which no server in order closes one: what it has no use for stays for 10 s. */
const EARLY_MS = 8000;

/** See the file's head. One thread. */
export class ClientNotices implements ClientProxyNotices, NoticeConnEvents {
  readonly #around: RelaySurroundings;
  readonly #proxies: ReadonlyMap<ProxyId, ClientProxyConn>;
  /** By the server's relay Worker at the other end. */
  readonly #conns = new Map<number, NoticeConn>();
  /** A session has begun since the login: the connections do reach the server. */
  #hasServed = false;
  /** How the last one ended, by the same Worker, if no notice had come on it yet; and when it began. */
  readonly #unheard = new Map<number, { readonly reason: string; readonly since: number }>();

  /**
   * There is no notice connection yet.
   *
   * @param around The Worker.
   * @param proxies The ProxyConns that the notices are about.
   */
  constructor(
    around: RelaySurroundings,
    proxies: ReadonlyMap<ProxyId, ClientProxyConn>,
  ) {
    this.#around = around;
    this.#proxies = proxies;
  }

  /** The notice connection beside a ProxyConn. A server starts no session where there is none, but it may be lost since. */
  #connOf(proxy: ProxyId): NoticeConn | undefined {
    const worker = this.#proxies.get(proxy)?.worker;
    return worker === undefined ? undefined : this.#conns.get(worker);
  }

  /** Tells the server that a session is finished here. Where it cannot be told, the end of the ProxyConn tells it. */
  free(proxy: ProxyId, session: SessionNo): void {
    const conn = this.#connOf(proxy);
    if (conn === undefined) this.#proxies.get(proxy)?.orphan();
    else conn.free(proxy, session);
  }

  /** Tells the server the end of a direction; by FIN when it cannot be told. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    const conn = this.#connOf(proxy);
    if (conn === undefined) this.#proxies.get(proxy)?.orphan();
    else conn.shutdownPeer(proxy, session, total, urgent);
  }

  /** Tells the server of a reset. Where it cannot be told, that of the ProxyConn tells it. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    const conn = this.#connOf(proxy);
    if (conn === undefined) this.#proxies.get(proxy)?.orphan();
    else conn.reset(proxy, session, total);
  }

  /**
   * Takes up a notice connection that the server has asked for.
   *
   * @returns What became of the former one if the server, as it seems, has never got it: somebody else takes the
   * connections. Otherwise null.
   */
  add(id: ProxyId, worker: number, socket: StreamSocket): string | null {
    const former = this.#conns.get(worker);
    const still = former?.hasHeard === false ? { reason: "nothing comes back", since: former.since } : undefined;
    const lost = former === undefined ? this.#unheard.get(worker) : still;
    // the server has lost it, and with it perhaps notices from here
    if (former !== undefined) {
      former.close();
      this.onNoticesClosed(former, "");
    }
    this.#unheard.delete(worker);
    this.#conns.set(worker, new NoticeConn(this.#around, id, socket, this));
    if (lost === undefined || this.#hasServed) return null;
    return this.#around.loop.now - lost.since < ASKED_AGAIN_MS ? lost.reason : null;
  }

  /** A session begins. */
  noteSession(): void {
    this.#hasServed = true;
  }

  /** A notice of the server. */
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

  /** Notices may be lost with it: what its sessions have still to tell, and what they have told, is told by FIN. */
  onNoticesClosed(conn: NoticeConn, reason: string): void {
    for (const [worker, present] of this.#conns) {
      if (present !== conn) continue;
      this.#conns.delete(worker);
      const isEarly = this.#around.loop.now - conn.since < EARLY_MS;
      if (!conn.hasHeard && isEarly) this.#unheard.set(worker, { reason, since: conn.since });
      for (const proxy of [...this.#proxies.values()]) {
        if (proxy.worker === worker) proxy.orphan();
      }
    }
  }

  /** The ctl_conn is gone, and they go with it. */
  close(): void {
    for (const conn of this.#conns.values()) conn.close();
    this.#conns.clear();
    this.#unheard.clear();
    this.#hasServed = false;
  }
}
