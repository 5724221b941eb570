// Connects to a LocalServer: finds out where it is, and tries its addresses until one answers or the time is over.
import { Errno, errnoWords } from "../../../ffi/errno.ts";
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { keepUrgentInline, setNoDelay } from "../../../ffi/socket.ts";
import { isLoopback, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { capBuffers } from "../../relay/buffers.ts";
import { unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";
import { AddressRace, type AddressRaceEvents } from "../address_race.ts";
import type { LocalTarget, LocalTargetWaiter } from "./local_target.ts";
import { LOOP_REASON, type Loops } from "./loops.ts";

/** Needs no keepalive: on this host the kernel itself tells when the peer is gone. */
function prepareLocal(fd: Descriptor): void {
  setNoDelay(fd);
  keepUrgentInline(fd);
  capBuffers(fd);
  unpace(fd);
}

/** Ms for the whole attempt. */
const CONNECT_MS = 10_000;
/** Ms until a shortage of descriptors, ports or queue places is tried again. */
const RETRY_MS = 50;
/** Ms for which the resolver's answer holds: a container that has moved is found after that. */
const CACHE_MS = 2000;
/** Ms for which it holds when there is no answer at its addresses. */
const DOUBTED_CACHE_MS = 50;
/** Ms of silence after which the resolver is asked whether there are other addresses by now. */
const DOUBT_MS = 1000;

/** Hears how it went. */
export interface LocalConnectorEvents {
  /** A connection, with its readiness known. */
  onLocalConnected(socket: StreamSocket): void;
  /** No address answered, or there is none; why, for people. */
  onLocalRefused(reason: string): void;
  /**
   * The connection stood and was reset before anything was known of it; `code` is the errno, positive. What the LocalServer
   * had sent in front of that can still be read from the socket, if there is one.
   */
  onLocalReset(code: number, socket: StreamSocket | null): void;
}

/** Used for one LocalConn after the other. One thread. */
export class LocalConnector implements TimerTarget, LocalTargetWaiter, AddressRaceEvents {
  readonly #loop: EventLoop;
  readonly #loops: Loops;
  readonly #race: AddressRace;
  readonly #timer = new Timer(this);
  #events: LocalConnectorEvents | null = null;
  #target: LocalTarget | null = null;
  /**
   * `resolving`: nothing is tried before the name's meaning is known. `racing`: its addresses are
   * tried. `short`: they are tried again soon. `lost`: there was no answer, and the resolver is asked for other addresses.
   */
  #state: "resolving" | "racing" | "short" | "lost" = "resolving";
  /** Whether the resolver has been asked again for want of an answer. */
  #doubted = false;
  /** Whether an answer is still to come. */
  #asking = false;
  #deadline = 0;
  /** Of the session. */
  #depth = 0;

  /** Makes a connector that does nothing yet. `loops` knows the other LocalConns of this client. */
  constructor(loop: EventLoop, loops: Loops) {
    this.#loop = loop;
    this.#loops = loops;
    const prepareFor = (address: SocketAddress) => isLoopback(address) ? prepareLocal : watchPeers;
    this.#race = new AddressRace(loop, this, { prepareFor });
  }

  /**
   * Starts to connect.
   *
   * @param target Where the LocalServer is.
   * @param depth Of the session, see {@linkcode Loops}.
   * @param events Hears how it went.
   */
  start(target: LocalTarget, depth: number, events: LocalConnectorEvents): void {
    this.#events = events;
    this.#target = target;
    this.#depth = depth;
    this.#doubted = false;
    this.#deadline = this.#loop.now + CONNECT_MS;
    this.#loop.setTimer(this.#timer, CONNECT_MS);
    this.#state = "resolving";
    if (target.isFresh(this.#loop.now, CACHE_MS)) this.#begin();
    else this.#ask();
  }

  #begin(): void {
    const target = this.#target!;
    if (target.addresses.length === 0) return this.#refuse(target.reason);
    const addresses = this.#loops.usable(target);
    if (addresses.length === 0) return this.#refuseLoop();
    this.#state = "racing";
    if (!target.isFixed) this.#loop.setTimer(this.#timer, DOUBT_MS);
    this.#race.start(addresses);
  }

  /** What the name means is known; after doubts, whether it means anything that was not tried. */
  onTargetResolved(): void {
    this.#asking = false;
    if (this.#state === "resolving") return this.#begin();
    const isLost = this.#state === "lost";
    if (isLost) this.#state = "racing";
    const added = this.#race.add(this.#loops.usable(this.#target!));
    if (isLost && !added) this.#refuse(this.#race.reason());
  }

  /** One more LocalConn may be a visitor soon. */
  onAddressBegins(address: SocketAddress): void {
    this.#loops.onConnecting(address);
  }

  /** It has its address. */
  onAddressBegun(address: SocketAddress, fd: Descriptor | null): void {
    this.#loops.onConnected(address, fd, this.#depth);
  }

  /** The connection is there. */
  onRaceWon(socket: StreamSocket, address: SocketAddress): void {
    this.#end();
    this.#target!.worked(address);
    this.#events!.onLocalConnected(socket);
  }

  /** A refusal would be ECONNREFUSED: this server had accepted, and its reset is the session's. */
  onAddressFailed(_address: SocketAddress, code: number, socket: StreamSocket | null): boolean {
    if (code !== Errno.ECONNRESET && code !== Errno.EPIPE) return false;
    this.#end();
    this.#events!.onLocalReset(code, socket);
    return true;
  }

  /** There was no answer at any address. */
  onRaceLost(): void {
    // an address without a route may look like a shortage (::1 on a host without IPv6): then another one says more
    if (this.#race.errors.every(isShortage)) {
      this.#state = "short";
      return this.#loop.setTimer(this.#timer, RETRY_MS);
    }
    this.#state = "lost";
    this.#doubt();
    if (!this.#asking) this.#refuse(this.#race.reason());
  }

  /** Asks what the name means now, once, if the answer is old enough for another one. */
  #doubt(): void {
    if (this.#doubted || this.#target!.isFresh(this.#loop.now, DOUBTED_CACHE_MS)) return;
    this.#doubted = true;
    this.#ask();
  }

  #ask(): void {
    this.#asking = true;
    this.#target!.ask(this);
  }

  /** Time to try again, to doubt what is silent, or to give up. */
  onTimer(): void {
    const leftMs = this.#deadline - this.#loop.now;
    if (leftMs <= 0) {
      const reason = this.#state === "resolving" ? "the resolver does not answer" : errnoWords(Errno.ETIMEDOUT);
      this.#race.cancel();
      return this.#refuse(reason);
    }
    this.#loop.setTimer(this.#timer, leftMs);
    if (this.#state === "racing") return this.#doubt();
    if (this.#state !== "short") return;
    this.#state = "racing";
    this.#race.start(this.#race.addresses);
  }

  #refuse(reason: string): void {
    this.#end();
    this.#target!.refused(reason);
    this.#events!.onLocalRefused(reason);
  }

  #refuseLoop(): void {
    this.#end();
    this.#target!.leadsBack();
    this.#events!.onLocalRefused(LOOP_REASON);
  }

  #end(): void {
    if (this.#asking) this.#target!.forget(this);
    this.#asking = false;
    this.#loop.timers.clear(this.#timer);
  }

  /** Gives up, silently. A LocalServer that has accepted already sees a reset. */
  cancel(): void {
    this.#end();
    this.#race.cancel();
  }
}

/** What passes by itself: no descriptors, no local ports, no memory, a full accept queue of a unix socket. */
function isShortage(code: number): boolean {
  // not ENOSPC and ENOMEM, which come of a connection that is begun and cannot be watched: the LocalServer would see
  // twenty a second for each visitor that waits
  return code === Errno.EMFILE || code === Errno.ENFILE || code === Errno.EADDRNOTAVAIL || code === Errno.ENOBUFS ||
    code === Errno.EAGAIN;
}
