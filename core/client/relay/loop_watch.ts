// Suspects tunnels whose LocalServer may be their own public port: each visitor then makes the next one, without end and
// without a byte of an answer. It only suspects; the supervisor finds out (loop_trial.ts).
import { Count, placeOf } from "../../relay/counters.ts";
import { rowOfTunnel } from "../worker_config.ts";

/** Sessions that begin and stay, in all relay Workers together. */
const SUSPICIOUS = 32;
/** In one Worker at least. */
const LEAST = 8;
/** Ms within which that many are suspicious. */
const WINDOW_MS = 10_000;
/** After each suspicion it takes twice as many, up to that many times the first. */
const MOST_TIMES = 32;
/** Numbers that are kept for a tunnel. */
const NUMBERS = 4;
const SESSIONS = 0;
const BYTES = 1;
const TIME = 2;
const TIMES = 3;

/** One relay Worker's watch. One thread. */
export class LoopWatch {
  readonly #counters: Float64Array;
  readonly #most: number;
  readonly #suspect: (tunnel: number) => void;
  /** What was counted when the present window began. */
  readonly #marks: Float64Array;

  /**
   * Begins to watch.
   *
   * @param counters The Worker's block.
   * @param tunnels How many tunnels there are.
   * @param relays How many relay Workers share their sessions.
   * @param suspect Hears of a tunnel, by its place in the list.
   */
  constructor(counters: Float64Array, tunnels: number, relays: number, suspect: (tunnel: number) => void) {
    this.#counters = counters;
    this.#marks = new Float64Array(tunnels * NUMBERS);
    this.#most = Math.max(LEAST, Math.ceil(SUSPICIOUS / relays));
    this.#suspect = suspect;
  }

  /**
   * A session has begun.
   *
   * @param tunnel Its tunnel's place in the list.
   * @param now Ms of the loop's clock.
   */
  note(tunnel: number, now: number): void {
    const counters = this.#counters;
    const marks = this.#marks;
    const row = placeOf(rowOfTunnel(tunnel + 1));
    const at = tunnel * NUMBERS;
    const sessions = counters[row + Count.sessionsOpened] - counters[row + Count.sessionsEnded] -
      counters[row + Count.sessionsReset] - counters[row + Count.sessionsRefused];
    const bytes = counters[row + Count.bytesToProxy];
    const isCalm = bytes !== marks[at + BYTES] || now - marks[at + TIME] > WINDOW_MS;
    if (!isCalm && sessions - marks[at + SESSIONS] < this.#most << marks[at + TIMES]) return;
    marks[at + SESSIONS] = sessions;
    marks[at + BYTES] = bytes;
    marks[at + TIME] = now;
    if (isCalm) return;
    if (1 << marks[at + TIMES] < MOST_TIMES) marks[at + TIMES]++;
    this.#suspect(tunnel);
  }
}
