// Which networks failed to log in, how long a wrong proof from there waits for its answer, and how many proofs are compared
// before they have waited. It knows no login.
//
// A right proof is answered as soon as it is compared, a wrong one only after its delay. So a client that shares an
// address (NAT) with a guesser logs in at once, as long as few proofs from there are wrong. A guess that is given up
// before its answer was compared all the same: so only a few wrong ones a second are compared at once, and the others
// wait as long as the answer does. Guesses are bounded by that, and by the number of strangers of one network over the
// longest delay.

/** Wrong proofs of one network that are compared at once: so many together, and so many a second. */
const AT_ONCE = 10;
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
/** Networks that are remembered, each in about 200 bytes. */
const MOST_NETWORKS = 4096;

interface Failures {
  /** How many at that time; a part of one is what is not forgotten of it. */
  readonly count: number;
  readonly at: number;
  /** How many wrong proofs might still have been compared at once at that time, 0 up. */
  readonly atOnce: number;
}

/** See the file's head. One thread. Times are ms of the loop's clock. */
export class LoginThrottle {
  /** In the order of the last failure: the first has been quiet for longest. */
  readonly #networks = new Map<string, Failures>();

  /** How many networks are remembered. */
  get size(): number {
    return this.#networks.size;
  }

  /** How long the answer to a wrong proof from this network waits, in ms: 0 to 3000. */
  delayMs(network: string, now: number): number {
    const failures = this.#networks.get(network);
    if (failures === undefined) return 0;
    const excess = remaining(failures, now) - FREE;
    return excess <= 0 ? 0 : Math.min(FIRST_MS * 2 ** (excess - 1), LONGEST_MS);
  }

  /** Whether a proof from this network may be compared now, and not only when its delay is over. */
  mayCompareNow(network: string, now: number): boolean {
    const failures = this.#networks.get(network);
    return failures === undefined || atOnce(failures, now) >= 1;
  }

  /** Counts a wrong proof. */
  failed(network: string, now: number): void {
    const before = this.#networks.get(network);
    const count = before === undefined ? 0 : remaining(before, now);
    this.#networks.delete(network);
    if (this.#networks.size >= MOST_NETWORKS) this.#networks.delete(this.#networks.keys().next().value!);
    const left = Math.max(0, (before === undefined ? AT_ONCE : atOnce(before, now)) - 1);
    this.#networks.set(network, { count: Math.min(count + 1, MOST_FAILURES), at: now, atOnce: left });
  }
}

function remaining({ count, at }: Failures, now: number): number {
  return Math.max(0, count - (now - at) / FORGET_MS);
}

function atOnce({ atOnce, at }: Failures, now: number): number {
  return Math.min(AT_ONCE, atOnce + AT_ONCE * (now - at) / 1000);
}
