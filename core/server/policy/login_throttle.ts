// Who failed to log in, and how long the next one from there waits before its proof is looked at. It knows no login.
//
// Everybody from that network waits, also who has the right token, for nothing that a stranger says before its proof was
// looked at tells the two apart; but it waits a few seconds and is then let in, so that whoever shares an address (NAT)
// with somebody who guesses is slow to log in and not shut out. Guesses are bounded by the time each takes and by the
// number of strangers of one network.

/** Failures that cost nothing: a mistyped token, tried a few times. */
const FREE = 5;
/** Ms for which the next one waits after one failure more; it doubles with each. */
const FIRST_MS = 250;
/** Ms for which none waits longer: the login must fit into the time that a stranger has. */
const LONGEST_MS = 3000;
/** Ms after which one failure is forgotten. */
const FORGET_MS = 5000;
/** Failures that are counted at most, so that a network is clean again after 100 s without any. */
const MOST_FAILURES = 20;
/** Networks that are remembered, each in about 150 bytes. */
const MOST_NETWORKS = 4096;

interface Failures {
  /** How many at that time; a part of one is what is not forgotten of it. */
  readonly count: number;
  readonly at: number;
}

/** See the file's head. One thread. Times are ms of the loop's clock. */
export class LoginThrottle {
  /** In the order of the last failure: the first has been quiet for longest. */
  readonly #networks = new Map<string, Failures>();

  /** How many networks are remembered. */
  get size(): number {
    return this.#networks.size;
  }

  /** How long a proof from this network waits, in ms: 0 to 3000. */
  delayMs(network: string, now: number): number {
    const failures = this.#networks.get(network);
    if (failures === undefined) return 0;
    const excess = remaining(failures, now) - FREE;
    return excess <= 0 ? 0 : Math.min(FIRST_MS * 2 ** (excess - 1), LONGEST_MS);
  }

  /** Counts a wrong proof. */
  failed(network: string, now: number): void {
    const before = this.#networks.get(network);
    const count = before === undefined ? 0 : remaining(before, now);
    this.#networks.delete(network);
    if (this.#networks.size >= MOST_NETWORKS) this.#networks.delete(this.#networks.keys().next().value!);
    this.#networks.set(network, { count: Math.min(count + 1, MOST_FAILURES), at: now });
  }
}

function remaining({ count, at }: Failures, now: number): number {
  return Math.max(0, count - (now - at) / FORGET_MS);
}
