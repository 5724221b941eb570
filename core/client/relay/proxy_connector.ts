// Connects a new ProxyConn to the server's proxy port and shows the ticket there.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../../ffi/errno.ts";
import { send, takeSocketError } from "../../../ffi/socket.ts";
import { isLoopback, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { ProxyId } from "../../protocol/ids.ts";
import { encodePreambleAndMeta, GREETING_BYTES } from "../../protocol/proxy_frame.ts";
import type { Ticket } from "../../protocol/ticket.ts";
import { beginConnect } from "../../reactor/begin_connect.ts";
import type { EventLoop, Task } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";

/** Ms for which trying is worth it: the server gives the ticket up after 10 s. */
export const TICKET_MS = 9000;
/** Ms between two attempts. */
const RETRY_MS = 250;

// one per Worker: it is written and sent within one call
const scratch = new Uint8Array(GREETING_BYTES);

function prepareLocalProxyConn(fd: Descriptor): void {
  watchPeers(fd);
  unpace(fd);
}

/** Hears how it went. */
export interface ProxyConnectorEvents {
  /** The ticket is sent: the socket is a ProxyConn. */
  onProxyConnected(connector: ProxyConnector, socket: StreamSocket): void;
  /** The time is over. */
  onProxyFailed(connector: ProxyConnector, reason: string): void;
}

/** What the server asks for. */
export interface ProxyRequest {
  /** The number of the ProxyConn to be. */
  readonly proxy: ProxyId;
  /** The server's relay Worker that waits for it. */
  readonly worker: number;
  /** Whether it is to be a notice connection. */
  readonly notices: boolean;
  /** Its ticket. */
  readonly ticket: Ticket;
  /** Until when trying is worth it, in ms of the loop's clock. */
  readonly deadline: number;
}

/** See the file's head. One thread. */
export class ProxyConnector implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  /** What the server asks for. */
  readonly request: ProxyRequest;
  readonly #loop: EventLoop;
  readonly #address: SocketAddress;
  readonly #events: ProxyConnectorEvents;
  readonly #timer = new Timer(this);
  #socket: StreamSocket | null = null;

  /**
   * Makes one; {@linkcode start} connects.
   *
   * @param loop The Worker's loop.
   * @param request What the server asks for.
   * @param address The server's proxy port.
   * @param events Hears how it went.
   */
  constructor(loop: EventLoop, request: ProxyRequest, address: SocketAddress, events: ProxyConnectorEvents) {
    this.#loop = loop;
    this.request = request;
    this.#address = address;
    this.#events = events;
  }

  /** Starts to connect. It may fail at once. */
  start(): void {
    const prepare = isLoopback(this.#address) ? prepareLocalProxyConn : watchPeers;
    const begun = beginConnect(this.#loop, this.#address, this, prepare);
    if (typeof begun === "number") return this.#retry(begun);
    this.#socket = begun;
    this.#loop.setTimer(this.#timer, this.request.deadline - this.#loop.now);
  }

  /** The connection is there, or its error. */
  run(): void {
    const socket = this.#socket;
    if (socket === null || !socket.writable) return;
    const code = takeSocketError(socket.fd);
    if (code !== 0) return this.#retry(code);
    // an empty send buffer takes 36 bytes whole
    const { worker, proxy, ticket } = this.request;
    const greeting = encodePreambleAndMeta(worker, proxy, ticket, scratch);
    const count = send(socket.fd, greeting);
    if (count !== greeting.length) return this.#retry(count < 0 ? -count : Errno.ENOBUFS);
    this.#socket = null;
    this.#loop.timers.clear(this.#timer);
    this.#events.onProxyConnected(this, socket);
  }

  #retry(code: number): void {
    this.#socket?.close();
    this.#socket = null;
    if (this.#loop.now + RETRY_MS < this.request.deadline) return this.#loop.setTimer(this.#timer, RETRY_MS);
    this.#loop.timers.clear(this.#timer);
    this.#events.onProxyFailed(this, errnoWords(code));
  }

  /** Time to try again, or time over. */
  onTimer(): void {
    if (this.#socket !== null) this.#retry(Errno.ETIMEDOUT);
    else this.start();
  }

  /** Gives up, silently. */
  cancel(): void {
    this.#loop.timers.clear(this.#timer);
    this.#socket?.close();
    this.#socket = null;
  }
}
