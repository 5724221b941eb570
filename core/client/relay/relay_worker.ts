// A relay Worker of the client: ProxyConn <-> LocalConn.
import { type SocketAddress, withPort } from "../../../ffi/socket_address.ts";
import type { ProxyId, SessionNo, TunnelNo } from "../../protocol/ids.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { limitBuffers } from "../../relay/buffers.ts";
import { RelayCounters, type TunnelRow } from "../../relay/counters.ts";
import { DrainWatch } from "../../relay/drain_watch.ts";
import { HalfCloseWatch } from "../../relay/half_close_watch.ts";
import { kindOf, readNeedProxy, readServerUp, readTunnelPort, RecordKind, strayRecord } from "../../relay/records.ts";
import { PeerSweep } from "../../relay/peer_sweep.ts";
import { type RelaySurroundings, surroundingsOf } from "../../relay/surroundings.ts";
import { ClientNotices } from "./client_notices.ts";
import { ClientProxyConn, type ClientProxyOwner } from "./client_proxy_conn.ts";
import { LocalConnector } from "./local_connector.ts";
import type { LocalTarget } from "./local_target.ts";
import { LocalTargets } from "./local_targets.ts";
import { Loops } from "./loops.ts";
import { LoopTable } from "../loop_table.ts";
import type { ProxyRequest } from "./proxy_connector.ts";
import { ProxyDialer, type ProxyDialerEvents } from "./proxy_dialer.ts";
import { addressesOf, type RelayConfig, type ResolvedMessage, rowOfTunnel } from "../worker_config.ts";

/** Ms for visitors that the server lets in before it hears that the tunnels are closed. */
const DRAIN_GRACE_MS = 300;

class ClientRelay implements Reactor, ClientProxyOwner, ProxyDialerEvents {
  readonly #context: ReactorContext;
  readonly #around: RelaySurroundings;
  readonly #drain: DrainWatch;
  readonly #dialer: ProxyDialer;
  readonly #notices: ClientNotices;
  readonly #idleConnectors: LocalConnector[] = [];
  /** ProxyConns of the present ctl_conn. ProxyConns of a former one go on unnamed until their session ends. */
  readonly #proxies = new Map<ProxyId, ClientProxyConn>();
  readonly #targets: LocalTargets;
  readonly #loops: Loops;
  #serverAddresses: readonly SocketAddress[] = [];
  /** Where ProxyConns go, when that is not the server's own address. */
  #proxyServer: SocketAddress | undefined = undefined;

  constructor(context: ReactorContext, config: RelayConfig) {
    this.#context = context;
    const lineMinutes = new Int32Array(config.lineMinutes);
    this.#targets = new LocalTargets(context, config.locals, lineMinutes);
    this.#loops = new Loops(new LoopTable(config.loopTable), this.#targets);
    const counters = new RelayCounters(config.relays, config.locals.length + 1, config.counters).block(config.index);
    limitBuffers(config.bufferLimit);
    this.#around = surroundingsOf(context, counters, config.pipes);
    this.#dialer = new ProxyDialer(context, this.#around, config.proxyConns, lineMinutes, this);
    this.#notices = new ClientNotices(this.#around, this.#proxies);
    this.#drain = new DrainWatch(context, counters, () => this.#around.lingering.size, DRAIN_GRACE_MS);
    new PeerSweep(context);
    new HalfCloseWatch(context, config.halfCloseTimeoutMs);
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case RecordKind.CONTROL_UP: {
        const { address, proxyPort } = readServerUp(words, at);
        const server = this.#serverAddresses[address];
        this.#loops.onUp(server);
        return this.#dialer.open(this.#proxyServer ?? withPort(server, proxyPort));
      }
      case RecordKind.CONTROL_LOST:
        return this.#onControlLost();
      case RecordKind.TUNNEL_PORT:
        return this.#loops.onPort(readTunnelPort(words, at));
      case RecordKind.NEED_PROXY:
        return this.#dialer.request(readNeedProxy(words, at));
      default:
        throw strayRecord(words, at);
    }
  }

  has(proxy: ProxyId): boolean {
    return this.#proxies.has(proxy);
  }

  onDialed({ proxy: id, worker, notices }: ProxyRequest, socket: StreamSocket): void {
    if (notices) {
      const lost = this.#notices.add(id, worker, socket);
      if (lost !== null) this.#dialer.noteStranger(lost);
      return;
    }
    const proxy = new ClientProxyConn(id, worker, socket, this.#around, this);
    this.#proxies.set(id, proxy);
    this.#around.loop.enqueue(proxy);
  }

  #onControlLost(): void {
    this.#loops.onDown();
    this.#dialer.close();
    this.#notices.close();
    const proxies = [...this.#proxies.values()];
    this.#proxies.clear();
    for (const proxy of proxies) proxy.orphan();
  }

  borrowConnector(): LocalConnector {
    return this.#idleConnectors.pop() ?? new LocalConnector(this.#context.loop, this.#loops);
  }

  returnConnector(connector: LocalConnector): void {
    this.#idleConnectors.push(connector);
  }

  targetOf(tunnel: TunnelNo): LocalTarget {
    return this.#targets.at(tunnel - 1);
  }

  depthOf(visitor: number): number {
    return this.#loops.depthOf(visitor);
  }

  rowOf(tunnel: TunnelNo): TunnelRow {
    this.#notices.noteSession();
    return rowOfTunnel(tunnel <= this.#targets.length ? tunnel : 0);
  }

  free(proxy: ProxyId, session: SessionNo): void {
    this.#notices.free(proxy, session);
  }

  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    this.#notices.shutdownPeer(proxy, session, total, urgent);
  }

  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    this.#notices.reset(proxy, session, total);
  }

  onProxyClosed(proxy: ClientProxyConn): void {
    if (this.#proxies.get(proxy.id) === proxy) this.#proxies.delete(proxy.id);
    this.#dialer.dial();
  }

  onMessage(message: unknown): void {
    const { kind, reason, ...told } = message as ResolvedMessage;
    const addresses = addressesOf(told.addresses);
    if (kind === "server") this.#serverAddresses = addresses;
    else if (kind === "proxy-server") this.#proxyServer = addresses[0];
    else this.#targets.known(kind)?.onAnswer(this.#context.loop.now, addresses, reason);
  }

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) this.#drain.start();
  }

  dispose(): void {
    for (const proxy of this.#proxies.values()) proxy.leave();
  }
}

serveReactor((context, config) => new ClientRelay(context, config as RelayConfig));
