// Where a tunnel's LocalServer is, as one relay Worker knows it: the addresses of its name, and how old that knowledge is.
import { formatAddress, type SocketAddress } from "../../../ffi/socket_address.ts";
import { raceOrder } from "../address_race.ts";

/** Waits for an answer. */
export interface LocalTargetWaiter {
  /** The addresses are as new as can be had. Called once, not after {@linkcode LocalTarget.forget}. */
  onTargetResolved(): void;
}

/** What a target needs of its Worker. */
export interface LocalTargetEvents {
  /** Asks the supervisor what the name means now; the answer comes by {@linkcode LocalTarget.onAnswer}. */
  ask(): void;
  /** A visitor could not be connected; why, for people. */
  onRefused(reason: string): void;
  /** A visitor is refused because the LocalServer is the tunnel's own public port. */
  onLoop(): void;
}

/** How a tunnel and its LocalServer are called. */
export interface LocalPlan {
  /** The tunnel's name. */
  readonly name: string;
  /** The LocalServer as the user wrote it. */
  readonly local: string;
}

/** See the file's head. One thread. */
export class LocalTarget {
  /** The addresses in the order to try; empty when there are none, see {@linkcode reason}. */
  addresses: readonly SocketAddress[];
  /** Why there are none, or why they are from before; empty otherwise. */
  reason: string = "there is no such tunnel";
  /** The address that worked last, as `formatAddress` writes it. */
  #good = "";
  /** When they were told, in ms of the loop's clock. */
  #toldAt: number;
  /** The tunnel's name. */
  readonly name: string;
  /** The LocalServer as the user wrote it. */
  readonly local: string;
  readonly #events: LocalTargetEvents;
  readonly #waiters = new Set<LocalTargetWaiter>();

  /**
   * Makes a target.
   *
   * @param plan The tunnel's name, and its LocalServer as the user wrote it.
   * @param fixed Its addresses, when it has no host name that could mean others tomorrow; or null.
   * @param events What it needs of its Worker.
   */
  constructor({ name, local }: LocalPlan, fixed: readonly SocketAddress[] | null, events: LocalTargetEvents) {
    this.name = name;
    this.local = local;
    this.addresses = fixed ?? [];
    this.#toldAt = fixed === null ? -Infinity : Infinity;
    this.#events = events;
  }

  /** Whether there is no name that could mean something else tomorrow. */
  get isFixed(): boolean {
    return this.#toldAt === Infinity;
  }

  /** A visitor could not be connected; why, for people. */
  refused(reason: string): void {
    this.#events.onRefused(reason);
  }

  /** A visitor is refused because the LocalServer is the tunnel's own public port. */
  leadsBack(): void {
    this.#events.onLoop();
  }

  /** A connection to one of the addresses stands: that one is tried first from now on. */
  worked(address: SocketAddress): void {
    if (this.addresses.length < 2 || this.addresses[0] === address) return;
    this.#good = formatAddress(address);
    this.addresses = raceOrder(this.addresses, this.#good);
  }

  /**
   * Whether it is no use to ask.
   *
   * @param now Ms of the loop's clock.
   * @param ageMs Ms for which an answer holds.
   */
  isFresh(now: number, ageMs: number): boolean {
    return now - this.#toldAt <= ageMs;
  }

  /** Asks what the name means now. One question serves all waiters. */
  ask(waiter: LocalTargetWaiter): void {
    this.#waiters.add(waiter);
    if (this.#waiters.size === 1) this.#events.ask();
  }

  /** A waiter waits no more. */
  forget(waiter: LocalTargetWaiter): void {
    this.#waiters.delete(waiter);
  }

  /** The supervisor's answer, which comes without a question as well when another relay Worker has asked. */
  onAnswer(now: number, addresses: readonly SocketAddress[], reason: string): void {
    this.addresses = raceOrder(addresses, this.#good);
    this.reason = reason;
    this.#toldAt = now;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.onTargetResolved();
  }
}
