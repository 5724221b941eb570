// Connects to a LocalServer: its addresses in turn, until one answers or the time is over.
import { Errno } from "../../../ffi/errno.ts";
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { setNoDelay, takeSocketError } from "../../../ffi/socket.ts";
import { isLoopback, type SocketAddress } from "../../../ffi/socket_address.ts";
import { beginConnect } from "../../reactor/begin_connect.ts";
import type { EventLoop, Task } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";

/** Needs no keepalive: on this host the kernel itself tells when the peer is gone. */
function prepareLocal(fd: Descriptor): void {
  setNoDelay(fd);
  unpace(fd);
}

/** Ms for the whole attempt. */
const CONNECT_MS = 10_000;
/** Ms until a shortage of descriptors, ports or queue places is tried again. */
const RETRY_MS = 50;

/** Who hears how it went. */
export interface LocalConnectorEvents {
  /** A connection, with its readiness known. */
  onLocalConnected(socket: StreamSocket): void;
  /** No address answered; `code` is the last errno, positive. */
  onLocalRefused(code: number): void;
  /** The connection stood and was reset before anything was known of it; `code` is the errno, positive. */
  onLocalReset(code: number): void;
}

/** Used for one LocalConn after the other. One thread. */
export class LocalConnector implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  #events: LocalConnectorEvents | null = null;
  readonly #timer = new Timer(this);
  #addresses: readonly SocketAddress[] = [];
  #next = 0;
  /** Addresses of this round that fell short of something that may be there later. */
  #short = 0;
  #deadline = 0;
  #socket: StreamSocket | null = null;
  #lastError = 0;

  /** Makes a connector that does nothing yet. */
  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /**
   * Starts to connect.
   *
   * @param addresses The LocalServer's, in the order to try.
   * @param events Who hears how it went.
   */
  start(addresses: readonly SocketAddress[], events: LocalConnectorEvents): void {
    this.#events = events;
    this.#addresses = addresses;
    this.#next = 0;
    this.#short = 0;
    this.#lastError = Errno.ECONNREFUSED;
    this.#deadline = this.#loop.now + CONNECT_MS;
    this.#loop.setTimer(this.#timer, CONNECT_MS);
    this.#tryNext();
  }

  #tryNext(): void {
    for (; this.#next < this.#addresses.length; this.#next++) {
      const address = this.#addresses[this.#next];
      const code = this.#begin(address);
      if (code === 0) return;
      if (isShortage(code)) this.#short++;
      else this.#lastError = code;
    }
    // an address without a route may look like a shortage (::1 on a host without IPv6): the others have their turn first
    if (this.#short > 0 && this.#short === this.#addresses.length) {
      this.#next = 0;
      this.#short = 0;
      return this.#loop.setTimer(this.#timer, RETRY_MS);
    }
    this.#end();
    this.#events!.onLocalRefused(this.#lastError);
  }

  /** 0 when it is under way, or a positive errno. */
  #begin(address: SocketAddress): number {
    const begun = beginConnect(this.#loop, address, this, isLoopback(address) ? prepareLocal : watchPeers);
    if (typeof begun === "number") return begun;
    this.#socket = begun;
    return 0;
  }

  /** The connection is there, or its error. */
  run(): void {
    const socket = this.#socket;
    if (socket === null || !socket.writable) return;
    const code = socket.failed ? takeSocketError(socket.fd) : 0;
    if (code === 0) {
      this.#socket = null;
      this.#end();
      return this.#events!.onLocalConnected(socket);
    }
    socket.close();
    this.#socket = null;
    // who refuses answers ECONNREFUSED: this one had accepted, and its reset is the session's
    if (code === Errno.ECONNRESET || code === Errno.EPIPE) {
      this.#end();
      return this.#events!.onLocalReset(code);
    }
    this.#lastError = code;
    this.#next++;
    this.#tryNext();
  }

  /** Time to try again, or time over. */
  onTimer(): void {
    if (this.#loop.now < this.#deadline) {
      this.#loop.setTimer(this.#timer, this.#deadline - this.#loop.now);
      return this.#tryNext();
    }
    this.cancel();
    this.#events!.onLocalRefused(Errno.ETIMEDOUT);
  }

  #end(): void {
    this.#loop.timers.clear(this.#timer);
  }

  /** Gives up, silently. A LocalServer that has accepted already sees a reset: an end would be one that nobody made. */
  cancel(): void {
    this.#end();
    this.#socket?.reset();
    this.#socket = null;
  }
}

/** What passes by itself: no descriptors, no local ports, no memory, a full accept queue of a unix socket. */
function isShortage(code: number): boolean {
  return code === Errno.EMFILE || code === Errno.ENFILE || code === Errno.EADDRNOTAVAIL || code === Errno.ENOBUFS ||
    code === Errno.ENOMEM || code === Errno.EAGAIN;
}
