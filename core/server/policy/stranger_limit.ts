// How long a connection that has not logged in is kept, how many of them in all and of one network, and which goes when
// there are more. It knows no protocol.
//
// The newest is let in and an old one goes: refusing the newest would let a few hundred silent strangers, renewed in time,
// keep every client out, while a client that means it logs in within two round trips. A stranger that has not even begun
// goes before one that has, and one that has shown a proof, and waits only for us, goes for no other of its network.

/** Ms for whatever a stranger has to say, from when it connected. */
export const STRANGER_MS = 5000;
/**
 * Seconds of these for which the kernel keeps a connection that says nothing, at no cost (TCP_DEFER_ACCEPT): on both ports
 * the client speaks first. So a client that means it has begun as soon as it is accepted.
 */
export const DEFER_ACCEPT_S = 3;
/** Ms that are left to a stranger that had said nothing by then. */
export const SILENT_STRANGER_MS: number = STRANGER_MS - 1000 * DEFER_ACCEPT_S;

/** A connection that has not shown yet that it may be here. */
export interface Stranger {
  /** Closes it, and says that it has left. */
  evict(): void;
}

/** How far a stranger has come: it is silent, it has begun to log in, it has shown a proof. */
type Stage = 0 | 1 | 2;
const SILENT: Stage = 0;
const BEGUN: Stage = 1;
const PROVED: Stage = 2;

/** Strangers by how far they have come, and in the order in which they came there, which is that of a Set. */
class Queue {
  readonly #stages: readonly Set<Stranger>[] = [new Set(), new Set(), new Set()];

  get size(): number {
    return this.#stages[SILENT].size + this.#stages[BEGUN].size + this.#stages[PROVED].size;
  }

  add(stranger: Stranger): void {
    this.#stages[SILENT].add(stranger);
  }

  move(stranger: Stranger, stage: Stage): void {
    this.delete(stranger);
    this.#stages[stage].add(stranger);
  }

  delete(stranger: Stranger): void {
    for (const stage of this.#stages) if (stage.delete(stranger)) return;
  }

  /** The first to go of the strangers without a proof. */
  get unproved(): Stranger | undefined {
    return firstOf(this.#stages[SILENT]) ?? firstOf(this.#stages[BEGUN]);
  }

  /** The stranger that has shown a proof, the longest ago. */
  get proved(): Stranger | undefined {
    return firstOf(this.#stages[PROVED]);
  }
}

function firstOf(strangers: Set<Stranger>): Stranger | undefined {
  return strangers.values().next().value;
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
   * Makes a limit without strangers.
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

  /**
   * Lets one in, for which another one may have to go: of its own network, or of the one that has most. It goes itself if
   * all of its strangers have shown a proof; only one of a network that has more than its own may go in spite of that.
   */
  admit(stranger: Stranger, network: string): void {
    const own = this.#networks.get(network);
    let victim: Stranger | undefined;
    if (own !== undefined && own.size >= this.#mostPerNetwork) victim = own.unproved ?? stranger;
    else if (this.size >= this.#most) victim = this.#weakest(own) ?? stranger;
    if (victim !== undefined && victim !== stranger) this.#evict(victim);
    if (victim === stranger) return this.#turnAway(stranger);
    this.#networkOf.set(stranger, network);
    this.#all.add(stranger);
    // the one that has gone may have been the only one of this network
    const queue = this.#networks.get(network) ?? new Queue();
    queue.add(stranger);
    this.#networks.set(network, queue);
  }

  /** This one has begun to log in: strangers that have not go before it. */
  begin(stranger: Stranger): void {
    this.#move(stranger, BEGUN);
  }

  /** This one has shown a proof: strangers that have not go before it. */
  prove(stranger: Stranger): void {
    this.#move(stranger, PROVED);
  }

  #move(stranger: Stranger, stage: Stage): void {
    const network = this.#networkOf.get(stranger);
    if (network === undefined) return;
    this.#all.move(stranger, stage);
    this.#networks.get(network)!.move(stranger, stage);
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

  /** The stranger that goes for one of a network that has `own`; undefined when none should. */
  #weakest(own: Queue | undefined): Stranger | undefined {
    const largest = this.#largest();
    const unproved = largest?.unproved ?? this.#all.unproved;
    if (unproved !== undefined) return unproved;
    return largest !== null && largest.size > (own?.size ?? 0) ? largest.proved : undefined;
  }

  /** The strangers of the network that has most; null when no network has more than one. */
  #largest(): Queue | null {
    let largest: Queue | null = null;
    let most = 1;
    for (const queue of this.#networks.values()) {
      if (queue.size > most) {
        largest = queue;
        most = queue.size;
      }
    }
    return largest;
  }

  #evict(stranger: Stranger): void {
    this.leave(stranger);
    this.#turnAway(stranger);
  }

  #turnAway(stranger: Stranger): void {
    stranger.evict();
    this.#onEvicted();
  }
}
