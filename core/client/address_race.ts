// Connecting to whichever of several addresses answers first (RFC 8305): each gets a head start over the next. It knows
// neither what the addresses belong to nor for how long the whole may take.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { takeSocketError } from "../../ffi/socket.ts";
import { formatAddress, type SocketAddress } from "../../ffi/socket_address.ts";
import { beginConnect } from "../reactor/begin_connect.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

/**
 * Ms that an address has before the next one is tried beside it (the "Connection Attempt Delay" of RFC 8305, section
 * 5).
 */
const HEAD_START_MS = 250;
/** Addresses that are tried at a time. */
const MOST = 4;
/** Ms after which a silent one makes room for another, if there are more: its kernel has asked twice. */
const SILENCE_MS = 1500;

/** Hears how a race went. */
export interface AddressRaceEvents {
  /** A connection stands, and is the owner's from now on; all others are given up. */
  onRaceWon(socket: StreamSocket, address: SocketAddress): void;
  /** No address is left; {@linkcode AddressRace.errors} says why. */
  onRaceLost(): void;
  /** A connection to an address is about to begin. {@linkcode onAddressBegun} follows at once. */
  onAddressBegins?(address: SocketAddress): void;
  /** It has begun and has an address of its own, or has failed (null). */
  onAddressBegun?(address: SocketAddress, fd: Descriptor | null): void;
  /**
   * One address failed. The owner says whether that ends the race, in silence; then the socket, if there was one, is the
   * owner's.
   */
  onAddressFailed?(address: SocketAddress, code: number, socket: StreamSocket | null): boolean;
}

/** What a race may be given. */
export interface AddressRaceOptions {
  /** The options to set on a socket before it is connected to an address. */
  readonly prepareFor?: (address: SocketAddress) => (fd: Descriptor) => void;
  /** Ms after the begin of the last attempt for which silence is waited for. Default: for ever. */
  readonly patienceMs?: number;
}

/**
 * The order in which to try the addresses of a name (RFC 8305, section 4): one that has worked, then the families by turns,
 * in the resolver's order.
 *
 * @param addresses What the resolver says.
 * @param good One that has worked, as `formatAddress` writes it; or "".
 */
export function raceOrder(addresses: readonly SocketAddress[], good: string): readonly SocketAddress[] {
  if (addresses.length < 2) return addresses;
  const first = addresses.filter(({ family }) => family === addresses[0].family);
  const others = addresses.filter(({ family }) => family !== addresses[0].family);
  const byTurns = Array.from(
    { length: Math.max(first.length, others.length) },
    (_, i) => [...first.slice(i, i + 1), ...others.slice(i, i + 1)],
  ).flat();
  const known = byTurns.findIndex((address) => formatAddress(address) === good);
  if (known > 0) byTurns.unshift(...byTurns.splice(known, 1));
  return byTurns;
}

/** Used for one race after the other. One thread. */
export class AddressRace implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  /** What became of each address that was tried: a positive errno, or 0 while there is no answer. */
  readonly errors: number[] = [];
  readonly #loop: EventLoop;
  readonly #events: AddressRaceEvents;
  readonly #prepareFor: ((address: SocketAddress) => (fd: Descriptor) => void) | undefined;
  readonly #patienceMs: number;
  readonly #timer = new Timer(this);
  #addresses: readonly SocketAddress[] = [];
  /** The attempts under way by their addresses' places, and when they began. */
  readonly #sockets: (StreamSocket | null)[] = [];
  readonly #begun: number[] = [];
  #underWay = 0;

  /** Makes one without addresses. */
  constructor(loop: EventLoop, events: AddressRaceEvents, options: AddressRaceOptions = {}) {
    this.#loop = loop;
    this.#events = events;
    this.#prepareFor = options.prepareFor;
    this.#patienceMs = options.patienceMs ?? Infinity;
  }

  /** The addresses of this race, in the order in which they are tried. */
  get addresses(): readonly SocketAddress[] {
    return this.#addresses;
  }

  /** Why a race was lost, for people: what happened at the only address, or at each address. */
  reason(): string {
    const [first, ...others] = this.errors;
    if (others.every((code) => code === first)) return errnoWords(first);
    return this.errors.map((code, place) => `${formatAddress(this.#addresses[place])}: ${errnoWords(code)}`).join(", ");
  }

  /**
   * Starts a race; one that is under way is given up.
   *
   * @param addresses In the order to try, one at least.
   */
  start(addresses: readonly SocketAddress[]): void {
    this.cancel();
    this.#addresses = addresses;
    this.errors.length = this.#sockets.length = this.#begun.length = 0;
    this.#beginNext();
  }

  /** Adds the addresses that are not in the race yet, and tries the next one at once. Returns whether there were any. */
  add(addresses: readonly SocketAddress[]): boolean {
    const known = new Set(this.#addresses.map(formatAddress));
    const added = addresses.filter((address) => !known.has(formatAddress(address)));
    if (added.length === 0) return false;
    this.#addresses = [...this.#addresses, ...added];
    this.#beginNext();
    return true;
  }

  #beginNext(): void {
    while (this.#begun.length < this.#addresses.length) {
      if (this.#underWay === MOST && !this.#makeRoom()) return;
      const place = this.#begun.length;
      const address = this.#addresses[place];
      this.#events.onAddressBegins?.(address);
      const begun = beginConnect(this.#loop, address, this, this.#prepareFor?.(address));
      this.#events.onAddressBegun?.(address, typeof begun === "number" ? null : begun.fd);
      this.#begun.push(this.#loop.now);
      if (typeof begun !== "number") {
        this.errors.push(0);
        this.#sockets.push(begun);
        this.#underWay++;
        return this.#awaitNext();
      }
      this.errors.push(begun);
      this.#sockets.push(null);
      if (this.#events.onAddressFailed?.(address, begun, null)) return this.cancel();
    }
    if (this.#underWay === 0) this.#lose();
  }

  #awaitNext(): void {
    if (this.#begun.length < this.#addresses.length) this.#loop.setTimer(this.#timer, HEAD_START_MS);
    else if (this.#patienceMs < Infinity) this.#loop.setTimer(this.#timer, this.#patienceMs);
    else this.#loop.timers.clear(this.#timer);
  }

  /** Gives the oldest attempt up if it has had its time; otherwise it is looked at again then. */
  #makeRoom(): boolean {
    const oldest = this.#sockets.findIndex((socket) => socket !== null);
    const leftMs = this.#begun[oldest] + SILENCE_MS - this.#loop.now;
    if (leftMs > 0) this.#loop.setTimer(this.#timer, leftMs);
    else this.#drop(oldest, Errno.ETIMEDOUT);
    return leftMs <= 0;
  }

  #drop(place: number, code: number): void {
    this.errors[place] = code;
    this.#sockets[place]!.close();
    this.#letGo(place);
  }

  /** The socket is nobody's here any more. */
  #letGo(place: number): void {
    this.#sockets[place] = null;
    this.#underWay--;
  }

  /** Some connection is there, or its error. */
  run(): void {
    for (let place = 0; place < this.#sockets.length; place++) {
      const socket = this.#sockets[place];
      if (socket === null || !socket.writable) continue;
      const code = socket.failed ? takeSocketError(socket.fd) : 0;
      if (code === 0) return this.#win(place, socket);
      if (this.#events.onAddressFailed?.(this.#addresses[place], code, socket)) {
        this.#letGo(place);
        return this.cancel();
      }
      this.#drop(place, code);
      if (this.#begun.length < this.#addresses.length) this.#beginNext();
      else if (this.#underWay === 0) return this.#lose();
    }
  }

  #win(place: number, socket: StreamSocket): void {
    this.#letGo(place);
    this.cancel();
    this.#events.onRaceWon(socket, this.#addresses[place]);
  }

  #lose(): void {
    this.#loop.timers.clear(this.#timer);
    this.#events.onRaceLost();
  }

  /** Time for the next address, or time over for all. */
  onTimer(): void {
    if (this.#begun.length < this.#addresses.length) return this.#beginNext();
    for (let place = 0; place < this.#sockets.length; place++) {
      if (this.#sockets[place] !== null) this.#drop(place, Errno.ETIMEDOUT);
    }
    this.#lose();
  }

  /** Gives up, silently. A server that has accepted already sees a reset: there was no end in order. */
  cancel(): void {
    this.#loop.timers.clear(this.#timer);
    if (this.#underWay === 0) return;
    for (let place = 0; place < this.#sockets.length; place++) {
      this.#sockets[place]?.reset();
      this.#sockets[place] = null;
    }
    this.#underWay = 0;
  }
}
