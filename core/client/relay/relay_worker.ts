// A relay Worker of the client: ProxyConn <-> LocalConn.
import { type SocketAddress, withPort } from "../../../ffi/socket_address.ts";
import type { ProxyId, SessionNo, TunnelNo } from "../../protocol/ids.ts";
import type { Notice } from "../../protocol/notice_reader.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { LogLimit } from "../../reactor/log_limit.ts";
import { ShortageLog } from "../../reactor/shortage_log.ts";
import { Phase } from "../../reactor/shared_state.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Count, RelayCounters, type TunnelRow } from "../../relay/counters.ts";
import { DrainWatch } from "../../relay/drain_watch.ts";
import { HalfCloseWatch } from "../../relay/half_close_watch.ts";
import { NoticeConn, type NoticeConnEvents } from "../../relay/notice_conn.ts";
import {
  kindOf,
  type NeedProxyRecord,
  NO_CONTROL,
  readNeedProxy,
  readServerUp,
  readSession,
  readTotal,
  RecordKind,
  sendEnd,
  sendFree,
  strayRecord,
} from "../../relay/records.ts";
import { type RelaySurroundings, surroundingsOf } from "../../relay/surroundings.ts";
import { ClientProxyConn, type ClientProxyOwner } from "./client_proxy_conn.ts";
import { LocalConnector } from "./local_connector.ts";
import { LocalTarget } from "./local_target.ts";
import { ProxyConnector, type ProxyConnectorEvents, type ProxyRequest, TICKET_MS } from "./proxy_connector.ts";
import {
  addressesOf,
  CONTROL,
  type RelayConfig,
  type ResolvedMessage,
  type ResolveReport,
  rowOfTunnel,
} from "../worker_config.ts";

/** ProxyConns that are connected at the same time, and as many requests wait: beyond that the server will ask again. */
const MOST_CONNECTORS = 4096;
/** Lines a minute about ProxyConns that could not be connected. */
const FAILURE_LINES = 10;
/** Ms for visitors whom the server lets in before it hears that the tunnels are closed. */
const DRAIN_GRACE_MS = 300;

class ClientRelay implements Reactor, ClientProxyOwner, ProxyConnectorEvents, NoticeConnEvents {
  readonly relays: number;
  readonly #context: ReactorContext;
  readonly #around: RelaySurroundings;
  readonly #drain: DrainWatch;
  /** ProxyConns that the server has asked for and that are not there yet. */
  readonly #connectors = new Map<ProxyId, ProxyConnector>();
  /** What the server has asked for and there is no room for yet, oldest first. */
  readonly #requests: ProxyRequest[] = [];
  readonly #mostProxyConns: number;
  readonly #shortage: ShortageLog;
  readonly #failures: LogLimit;
  readonly #idleConnectors: LocalConnector[] = [];
  /** ProxyConns of the present ctl_conn. Those of a former one go on unnamed until their session ends. */
  readonly #proxies = new Map<ProxyId, ClientProxyConn>();
  /** By the server's relay Worker at the other end. */
  readonly #noticeConns = new Map<number, NoticeConn>();
  readonly #targets: readonly LocalTarget[];
  /** Of a tunnel that a server names and that is not there. */
  readonly #nowhere = new LocalTarget([]);
  #serverAddresses: readonly SocketAddress[] = [];
  #proxyAddress: SocketAddress | null = null;

  constructor(context: ReactorContext, config: RelayConfig) {
    this.#context = context;
    this.relays = config.relays;
    this.#targets = config.locals.map((fixed, place) => {
      const ask = () => context.report({ kind: "resolve-local", tunnel: place } satisfies ResolveReport);
      return new LocalTarget(fixed === null ? null : addressesOf(fixed), ask);
    });
    const counters = new RelayCounters(config.relays, config.locals.length + 1, config.counters).block(config.index);
    this.#mostProxyConns = config.proxyConns;
    this.#shortage = new ShortageLog(context);
    this.#failures = new LogLimit(context, FAILURE_LINES);
    this.#around = surroundingsOf(context, counters, config.pipes);
    this.#drain = new DrainWatch(context, counters, () => 0, DRAIN_GRACE_MS);
    new HalfCloseWatch(context.loop, config.halfCloseTimeoutMs);
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case RecordKind.CONTROL_UP: {
        const { address, proxyPort } = readServerUp(words, at);
        this.#proxyAddress = withPort(this.#serverAddresses[address], proxyPort);
        return;
      }
      case RecordKind.CONTROL_LOST:
        return this.#onControlLost();
      case RecordKind.NEED_PROXY:
        return this.#onNeedProxy(readNeedProxy(words, at));
      case RecordKind.SHUTDOWN_PEER: {
        const { proxy, session } = readSession(words, at);
        return this.#proxies.get(proxy)?.onShutdownPeer(session, readTotal(words, at));
      }
      case RecordKind.RESET_SESSION: {
        const { proxy, session } = readSession(words, at);
        return this.#proxies.get(proxy)?.onReset(session, readTotal(words, at));
      }
      default:
        throw strayRecord(words, at);
    }
  }

  #onNeedProxy({ proxy, worker, ticket }: NeedProxyRecord): void {
    if (this.#proxyAddress === null || this.#requests.length >= MOST_CONNECTORS) return;
    this.#requests.push({ proxy, worker, ticket, deadline: this.#context.loop.now + TICKET_MS });
    this.#connectRequested();
    if (this.#requests.length === 0) return;
    this.#shortage.note("Too few descriptors for another ProxyConn; visitors wait", { most: this.#mostProxyConns });
  }

  /** A ProxyConn may need a LocalConn: were all descriptors ProxyConns, none of them could serve anybody. */
  #connectRequested(): void {
    const { loop, counters } = this.#around;
    while (this.#requests.length > 0 && this.#proxyAddress !== null) {
      const present = counters[Count.proxyConnsOpened] - counters[Count.proxyConnsClosed];
      if (this.#connectors.size >= Math.min(MOST_CONNECTORS, this.#mostProxyConns - present)) return;
      const request = this.#requests.shift()!;
      const { proxy, deadline } = request;
      // no server in its right mind gives a number twice: one of the two could not be closed any more
      if (deadline <= loop.now || this.#connectors.has(proxy) || this.#proxies.has(proxy)) continue;
      this.#connectors.set(proxy, new ProxyConnector(loop, request, this.#proxyAddress, this));
    }
  }

  onProxyConnected(connector: ProxyConnector, socket: StreamSocket): void {
    this.#connectors.delete(connector.proxy);
    const proxy = new ClientProxyConn(connector.proxy, connector.worker, socket, this.#around, this);
    this.#proxies.set(proxy.id, proxy);
    this.#around.loop.enqueue(proxy);
    if (this.#requests.length > 0) this.#connectRequested();
  }

  onProxyFailed(connector: ProxyConnector, reason: string): void {
    this.#connectors.delete(connector.proxy);
    this.#failures.log("warning", "Cannot connect a ProxyConn to the server", { proxy: connector.proxy, reason });
    this.#connectRequested();
  }

  #onControlLost(): void {
    this.#proxyAddress = null;
    this.#requests.length = 0;
    for (const connector of this.#connectors.values()) connector.cancel();
    this.#connectors.clear();
    for (const conn of this.#noticeConns.values()) conn.close();
    this.#noticeConns.clear();
    const proxies = [...this.#proxies.values()];
    this.#proxies.clear();
    for (const proxy of proxies) proxy.orphan();
  }

  onStartNotices(proxy: ClientProxyConn, socket: StreamSocket): void {
    const former = this.#noticeConns.get(proxy.worker);
    // the server has lost it, and with it perhaps notices from here
    if (former !== undefined) {
      former.close();
      this.onNoticesClosed(former);
    }
    this.#noticeConns.set(proxy.worker, new NoticeConn(this.#around, proxy.id, socket, false, this));
  }

  onNoticesResponse(): void {
    throw new Error("Only a server's notice connection awaits a response");
  }

  onNotice(notice: Notice): void {
    const proxy = this.#proxies.get(notice.proxy);
    switch (notice.type) {
      case "NotifyProxyShutdownPeerConn":
        return proxy?.onShutdownPeer(notice.session, notice.total);
      case "ResetSession":
        return proxy?.onReset(notice.session, notice.total);
      case "FreeProxyConnReq":
        throw new ProtocolError("FreeProxyConnReq is for the server");
      default:
        return notice satisfies never;
    }
  }

  onNoticesClosed(conn: NoticeConn): void {
    for (const [worker, present] of this.#noticeConns) {
      if (present !== conn) continue;
      this.#noticeConns.delete(worker);
      for (const proxy of [...this.#proxies.values()]) {
        if (proxy.worker !== worker) continue;
        proxy.tellAgain();
        proxy.orphan();
      }
    }
  }

  /** The notice connection beside a ProxyConn, if there is one. */
  #noticeConnOf(proxy: ProxyId): NoticeConn | undefined {
    const worker = this.#proxies.get(proxy)?.worker;
    return worker === undefined ? undefined : this.#noticeConns.get(worker);
  }

  borrowConnector(): LocalConnector {
    return this.#idleConnectors.pop() ?? new LocalConnector(this.#context.loop);
  }

  returnConnector(connector: LocalConnector): void {
    this.#idleConnectors.push(connector);
  }

  targetOf(tunnel: TunnelNo): LocalTarget {
    return this.#targets[tunnel - 1] ?? this.#nowhere;
  }

  rowOf(tunnel: TunnelNo): TunnelRow {
    return rowOfTunnel(tunnel <= this.#targets.length ? tunnel : 0);
  }

  free(proxy: ProxyId, session: SessionNo): void {
    const conn = this.#noticeConnOf(proxy);
    if (conn !== undefined) return conn.free(proxy, session);
    sendFree(this.#context.mailbox, CONTROL, NO_CONTROL, proxy, session);
  }

  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    const conn = this.#noticeConnOf(proxy);
    if (conn !== undefined) return conn.shutdownPeer(proxy, session, total, urgent);
    sendEnd(this.#context.mailbox, CONTROL, RecordKind.SHUTDOWN_PEER, NO_CONTROL, proxy, session, total);
  }

  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    const conn = this.#noticeConnOf(proxy);
    if (conn !== undefined) return conn.reset(proxy, session, total);
    sendEnd(this.#context.mailbox, CONTROL, RecordKind.RESET_SESSION, NO_CONTROL, proxy, session, total);
  }

  onProxyClosed(proxy: ClientProxyConn): void {
    if (this.#proxies.get(proxy.id) === proxy) this.#proxies.delete(proxy.id);
    if (this.#requests.length > 0) this.#connectRequested();
  }

  onMessage(message: unknown): void {
    const { kind, ...resolved } = message as ResolvedMessage;
    const addresses = addressesOf(resolved.addresses);
    if (kind === "server") this.#serverAddresses = addresses;
    else this.#targets[kind].onAnswer(this.#context.loop.now, addresses, resolved.reason);
  }

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) this.#drain.start();
  }

  dispose(): void {
    for (const proxy of this.#proxies.values()) proxy.leave();
  }
}

serveReactor((context, config) => new ClientRelay(context, config as RelayConfig));
