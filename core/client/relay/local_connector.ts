// Connects to a LocalServer: its addresses in turn, until one answers or the time is over.
import { Errno, errnoName } from "../../../ffi/errno.ts";
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { setNoDelay, takeSocketError } from "../../../ffi/socket.ts";
import { formatAddress, isLoopback, type SocketAddress } from "../../../ffi/socket_address.ts";
import { beginConnect } from "../../reactor/begin_connect.ts";
import type { EventLoop, Task } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";
import type { LocalTarget, LocalTargetWaiter } from "./local_target.ts";

/** Needs no keepalive: on this host the kernel itself tells when the peer is gone. */
function prepareLocal(fd: Descriptor): void {
  setNoDelay(fd);
  unpace(fd);
}

/** Ms for the whole attempt. */
const CONNECT_MS = 10_000;
/** Ms until a shortage of descriptors, ports or queue places is tried again. */
const RETRY_MS = 50;
/** Ms for which the resolver's answer holds: a container that has moved is found after that. */
const CACHE_MS = 2000;
/** Ms for which it holds when nobody answers at its addresses. */
const DOUBTED_CACHE_MS = 50;

/** Who hears how it went. */
export interface LocalConnectorEvents {
  /** A connection, with its readiness known. */
  onLocalConnected(socket: StreamSocket): void;
  /** No address answered, or there is none; why, for people. */
  onLocalRefused(reason: string): void;
  /** The connection stood and was reset before anything was known of it; `code` is the errno, positive. */
  onLocalReset(code: number): void;
}

/** Used for one LocalConn after the other. One thread. */
export class LocalConnector implements Task, TimerTarget, LocalTargetWaiter {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  #events: LocalConnectorEvents | null = null;
  readonly #timer = new Timer(this);
  #target: LocalTarget | null = null;
  /** Whether the resolver has been asked again because nobody answered at its addresses. */
  #doubted = false;
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
   * @param target Where the LocalServer is.
   * @param events Who hears how it went.
   */
  start(target: LocalTarget, events: LocalConnectorEvents): void {
    this.#events = events;
    this.#target = target;
    this.#doubted = false;
    this.#addresses = [];
    this.#deadline = this.#loop.now + CONNECT_MS;
    this.#loop.setTimer(this.#timer, CONNECT_MS);
    if (target.isFresh(this.#loop.now, CACHE_MS)) this.#begin();
    else target.ask(this);
  }

  /** What the name means is known; after doubts, whether it means anything else than what was tried. */
  onTargetResolved(): void {
    const { addresses } = this.#target!;
    const known = this.#addresses.map(formatAddress);
    if (this.#doubted && addresses.every((address) => known.includes(formatAddress(address)))) return this.#refuse();
    this.#begin();
  }

  #begin(): void {
    const { addresses, reason } = this.#target!;
    this.#addresses = addresses;
    this.#next = 0;
    this.#short = 0;
    this.#lastError = 0;
    if (addresses.length > 0) return this.#tryNext();
    this.#end();
    this.#events!.onLocalRefused(reason);
  }

  #tryNext(): void {
    for (; this.#next < this.#addresses.length; this.#next++) {
      const address = this.#addresses[this.#next];
      const code = this.#connect(address);
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
    if (this.#doubted || this.#target!.isFresh(this.#loop.now, DOUBTED_CACHE_MS)) return this.#refuse();
    this.#doubted = true;
    this.#target!.ask(this);
  }

  #refuse(): void {
    this.#end();
    this.#events!.onLocalRefused(errnoName(this.#lastError));
  }

  /** 0 when it is under way, or a positive errno. */
  #connect(address: SocketAddress): number {
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
    const unresolved = this.#addresses.length === 0;
    this.cancel();
    this.#events!.onLocalRefused(unresolved ? "the resolver does not answer" : errnoName(Errno.ETIMEDOUT));
  }

  #end(): void {
    this.#target?.forget(this);
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
