// How long to wait before the next attempt to reach the server. It counts attempts and knows no clock and no socket.

/** Ms from the begin of an attempt without an answer to the begin of the next, before jitter. */
const UNANSWERED_MS = 1000;
/** Ms at least between the end of such an attempt and the next. */
const PAUSE_MS = 100;

/** What a {@linkcode Backoff} may be given instead of its defaults. */
export interface BackoffOptions {
  /** The shortest first delay, in ms. Default: 1000. */
  readonly firstMs?: number;
  /** The longest delay of all, in ms. Default: 30000. */
  readonly highestMs?: number;
  /** By how much the shortest delay grows with each attempt. Default: 2. */
  readonly factor?: number;
  /** Gives a number from 0 up to but not including 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/**
 * Exponential back-off with jitter: the delays grow from 1 s to 30 s. The first is between 1 s and 2 s, the next
 * between 2 s and 4 s, and so on, so that clients that lost the same server do not come back all at once.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #highestMs: number;
  readonly #factor: number;
  readonly #random: () => number;
  #shortestMs: number;

  /** Starts with the first delay. */
  constructor(options: BackoffOptions = {}) {
    this.#firstMs = options.firstMs ?? 1000;
    this.#highestMs = options.highestMs ?? 30_000;
    this.#factor = options.factor ?? 2;
    this.#random = options.random ?? Math.random;
    this.#shortestMs = this.#firstMs;
  }

  /** How long to wait now, in whole ms; the next call gives a longer delay, up to the highest. */
  next(): number {
    const shortestMs = this.#shortestMs;
    this.#shortestMs = Math.min(shortestMs * this.#factor, this.#highestMs / 2);
    return Math.round(shortestMs * (1 + this.#random()));
  }

  /**
   * How long to wait after an attempt without an answer: a server that is out of reach cannot be overrun, and is to be
   * found soon after the way to it is back. The next attempt begins 1 s to 2 s after this one began, or right after it if
   * it took longer. The delays of {@linkcode next} do not grow by it.
   *
   * @param elapsedMs Ms that the attempt took, 0 up.
   */
  afterSilence(elapsedMs: number): number {
    const gapMs = UNANSWERED_MS * (1 + this.#random());
    return Math.round(Math.max(PAUSE_MS, gapMs - elapsedMs));
  }

  /** Starts again with the first delay; call it when the server has accepted the login. */
  reset(): void {
    this.#shortestMs = this.#firstMs;
  }
}
