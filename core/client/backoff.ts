// How long to wait before the next attempt to reach the server. It counts attempts and knows no clock and no socket.

/** What a {@linkcode Backoff} may be given instead of its defaults. */
export interface BackoffOptions {
  /** The longest first delay, in ms. Default: 1000. */
  readonly firstMs?: number;
  /** The longest delay of all, in ms. Default: 30000. */
  readonly highestMs?: number;
  /** By how much the longest delay grows with each attempt. Default: 2. */
  readonly factor?: number;
  /** Gives a number from 0 up to but not including 1. Default: `Math.random`. */
  readonly random?: () => number;
}

/**
 * Exponential back-off with jitter: the delays grow from 1 s to 30 s, and each is between half and the whole of what its
 * attempt allows, so that clients that lost the same server do not come back all at once.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #highestMs: number;
  readonly #factor: number;
  readonly #random: () => number;
  #longestMs: number;

  /** Starts with the first delay. */
  constructor(options: BackoffOptions = {}) {
    this.#firstMs = options.firstMs ?? 1000;
    this.#highestMs = options.highestMs ?? 30_000;
    this.#factor = options.factor ?? 2;
    this.#random = options.random ?? Math.random;
    this.#longestMs = this.#firstMs;
  }

  /** How long to wait now, in whole ms; the next call gives a longer delay, up to the highest. */
  next(): number {
    const longestMs = this.#longestMs;
    this.#longestMs = Math.min(longestMs * this.#factor, this.#highestMs);
    return Math.round(longestMs * (0.5 + this.#random() / 2));
  }

  /** Starts again with the first delay; call it when the server has accepted the login. */
  reset(): void {
    this.#longestMs = this.#firstMs;
  }
}
