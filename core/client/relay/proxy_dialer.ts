// What the server has asked a relay Worker of the client for: it is connected as far as there are descriptors, and waits
// beyond.
import { formatAddress, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { ProxyId } from "../../protocol/ids.ts";
import { LogLimit, shortageLog } from "../../reactor/log_limit.ts";
import { takeMinute } from "../../reactor/minute.ts";
import type { ReactorContext } from "../../reactor/reactor_worker.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Count } from "../../relay/counters.ts";
import type { NeedProxyRecord } from "../../relay/records.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import { lineWord } from "../worker_config.ts";
import { ProxyConnector, type ProxyConnectorEvents, type ProxyRequest, TICKET_MS } from "./proxy_connector.ts";

/** ProxyConns that are connected at the same time, and as many requests wait: beyond that the server will ask again. */
const MOST_CONNECTORS = 4096;
/** Lines a minute about ProxyConns that could not be connected, of all relay Workers together. */
const FAILURE_LINES = 1;

/** Wants the connections. */
export interface ProxyDialerEvents {
  /** Whether there is a ProxyConn of that number: a second one could not be told from it. */
  has(proxy: ProxyId): boolean;
  /** One is there, and its ticket is sent. */
  onDialed(request: ProxyRequest, socket: StreamSocket): void;
}

/** See the file's head. One thread. */
export class ProxyDialer implements ProxyConnectorEvents {
  readonly #around: RelaySurroundings;
  readonly #most: number;
  readonly #events: ProxyDialerEvents;
  readonly #shortage: LogLimit;
  readonly #failures: LogLimit;
  /** Asked for and not there yet. */
  readonly #connectors = new Map<ProxyId, ProxyConnector>();
  /** Asked for, and there is no room yet; oldest first. */
  readonly #requests: ProxyRequest[] = [];
  #address: SocketAddress | null = null;
  #dialing = false;

  /**
   * Makes one that has no server yet.
   *
   * @param context The Worker.
   * @param around The same.
   * @param most ProxyConns that the Worker may have at a time.
   * @param lineMinutes See {@linkcode lineWord}.
   * @param events Wants the connections.
   */
  constructor(
    context: Pick<ReactorContext, "loop" | "log" | "mailbox">,
    around: RelaySurroundings,
    most: number,
    lineMinutes: Int32Array,
    events: ProxyDialerEvents,
  ) {
    this.#around = around;
    this.#most = most;
    this.#events = events;
    this.#shortage = shortageLog(context);
    this.#failures = new LogLimit(context, {
      lines: FAILURE_LINES,
      mayWrite: () => takeMinute(lineMinutes, lineWord(-1)),
    });
  }

  /** The client is logged in: where the server takes ProxyConns. */
  open(address: SocketAddress): void {
    this.#address = address;
  }

  /** The ctl_conn is gone, and with it everything that was asked for. */
  close(): void {
    this.#address = null;
    this.#requests.length = 0;
    for (const connector of this.#connectors.values()) connector.cancel();
    this.#connectors.clear();
  }

  /** The server asks for a connection. */
  request({ proxy, worker, notices, ticket }: NeedProxyRecord): void {
    if (this.#address === null || this.#requests.length >= MOST_CONNECTORS) return;
    this.#requests.push({ proxy, worker, notices, ticket, deadline: this.#around.loop.now + TICKET_MS });
    this.dial();
    if (this.#requests.length === 0) return;
    this.#shortage.log("warning", "Too few descriptors for another data connection; visitors wait", {
      most: this.#most,
    });
  }

  /**
   * Connects what there is room for: called when there may be more. A ProxyConn may need a LocalConn: were all descriptors
   * ProxyConns, none could serve a visitor.
   */
  dial(): void {
    // a connection may fail at once, thousands of them one after the other: no recursion
    if (this.#dialing) return;
    this.#dialing = true;
    const { loop, counters } = this.#around;
    while (this.#requests.length > 0 && this.#address !== null) {
      const present = counters[Count.proxyConnsOpened] - counters[Count.proxyConnsClosed];
      if (this.#connectors.size >= Math.min(MOST_CONNECTORS, this.#most - present)) break;
      const request = this.#requests.shift()!;
      const { proxy, deadline } = request;
      // no server in its right mind gives a number twice: one of the two could not be closed any more
      if (deadline <= loop.now || this.#connectors.has(proxy) || this.#events.has(proxy)) continue;
      const connector = new ProxyConnector(loop, request, this.#address, this);
      this.#connectors.set(proxy, connector);
      connector.start();
    }
    this.#dialing = false;
  }

  /** A connection is there. */
  onProxyConnected({ request }: ProxyConnector, socket: StreamSocket): void {
    this.#connectors.delete(request.proxy);
    this.#events.onDialed(request, socket);
    this.dial();
  }

  /** The server will ask again if it still needs it. */
  onProxyFailed({ request: { proxy } }: ProxyConnector, reason: string): void {
    this.#connectors.delete(proxy);
    const { counters } = this.#around;
    const isServed = counters[Count.proxyConnsOpened] > counters[Count.proxyConnsClosed];
    const what = `${this.#where} (proxy_port) cannot be reached; is it open in the firewall?`;
    this.#failures.log("warning", isServed ? what : `${what} Nobody is served`, { reason });
    this.dial();
  }

  /**
   * Connections are made, and the server asks for them again as if they were not.
   *
   * @param reason What becomes of them.
   */
  noteStranger(reason: string): void {
    const what = `${this.#where} (proxy_port) takes data connections that the server never gets. Nobody is served`;
    this.#failures.log("warning", what, { reason });
  }

  get #where(): string {
    return this.#address === null ? "unknown" : formatAddress(this.#address);
  }
}
