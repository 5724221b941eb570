// How long a connection that has not logged in is kept, how many of them in all and of one network, and which goes when
// there are more. It knows no protocol.
//
// The newest is let in and an old one goes: refusing the newest would let a few hundred silent strangers, renewed in time,
// keep everybody out, while whoever means to log in does so within two round trips. A stranger that has not even begun
// goes before one that has.

/** Ms for whatever a stranger has to say, from when it connected. */
export const STRANGER_MS = 5000;
/**
 * Seconds of these for which the kernel keeps a connection that says nothing, at no cost (TCP_DEFER_ACCEPT): on both ports
 * the client speaks first. So whoever means it has begun as soon as it is accepted.
 */
export const DEFER_ACCEPT_S = 3;
/** Ms that are left to whoever had said nothing by then. */
export const SILENT_STRANGER_MS: number = STRANGER_MS - 1000 * DEFER_ACCEPT_S;

/** A connection that has not shown yet that it may be here. */
export interface Stranger {
  /** Closes it, and says that it has left. */
  evict(): void;
}

/** Strangers in the order in which they came, which is that of a Set; those that have not begun apart from the others. */
class Queue {
  readonly #silent = new Set<Stranger>();
  readonly #begun = new Set<Stranger>();

  get size(): number {
    return this.#silent.size + this.#begun.size;
  }

  add(stranger: Stranger): void {
    this.#silent.add(stranger);
  }

  begin(stranger: Stranger): void {
    if (this.#silent.delete(stranger)) this.#begun.add(stranger);
  }

  delete(stranger: Stranger): void {
    if (!this.#silent.delete(stranger)) this.#begun.delete(stranger);
  }

  /** Who goes first; there is one. */
  first(): Stranger {
    const from = this.#silent.size > 0 ? this.#silent : this.#begun;
    return from.values().next().value!;
  }
}

/** See the file's head. One thread. */
export class StrangerLimit {
  readonly #most: number;
  readonly #mostPerNetwork: number;
  readonly #onEvicted: () => void;
  readonly #networkOf = new Map<Stranger, string>();
  readonly #all = new Queue();
  /** Only networks that strangers are here from: as many as strangers at most. */
  readonly #networks = new Map<string, Queue>();

  /**
   * Makes a limit that nobody counts against yet.
   *
   * @param most How many in all, 1 up.
   * @param mostPerNetwork How many of one network, 1 up.
   * @param onEvicted Hears that one had to go.
   */
  constructor(most: number, mostPerNetwork: number, onEvicted: () => void) {
    this.#most = most;
    this.#mostPerNetwork = mostPerNetwork;
    this.#onEvicted = onEvicted;
  }

  /** How many strangers there are. */
  get size(): number {
    return this.#all.size;
  }

  /** Lets one in, for which another one may have to go: of its own network, or of the one that has most. */
  admit(stranger: Stranger, network: string): void {
    if ((this.#networks.get(network)?.size ?? 0) >= this.#mostPerNetwork) this.#evict(this.#networks.get(network)!);
    else if (this.size >= this.#most) this.#evict(this.#largest());
    this.#networkOf.set(stranger, network);
    this.#all.add(stranger);
    const queue = this.#networks.get(network) ?? new Queue();
    queue.add(stranger);
    this.#networks.set(network, queue);
  }

  /** This one has begun to log in: those that have not go before it. */
  begin(stranger: Stranger): void {
    const network = this.#networkOf.get(stranger);
    if (network === undefined) return;
    this.#all.begin(stranger);
    this.#networks.get(network)!.begin(stranger);
  }

  /** This one is no stranger any more, or gone; again is nothing. */
  leave(stranger: Stranger): void {
    const network = this.#networkOf.get(stranger);
    if (network === undefined) return;
    this.#networkOf.delete(stranger);
    this.#all.delete(stranger);
    const queue = this.#networks.get(network)!;
    queue.delete(stranger);
    if (queue.size === 0) this.#networks.delete(network);
  }

  /** The strangers of the network that has most; all of them when no network has more than one. */
  #largest(): Queue {
    let largest = this.#all;
    let most = 1;
    for (const queue of this.#networks.values()) {
      if (queue.size > most) {
        largest = queue;
        most = queue.size;
      }
    }
    return largest;
  }

  #evict(queue: Queue): void {
    const stranger = queue.first();
    this.leave(stranger);
    stranger.evict();
    this.#onEvicted();
  }
}
