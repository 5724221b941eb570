// Tells when a relay Worker has no sessions left, while the program drains.
import type { EventLoop } from "../reactor/event_loop.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { Count } from "./counters.ts";

/** Ms between two looks. */
const LOOK_MS = 20;

/** How many sessions are under way in a Worker, by its counters. */
export function sessionsUnderWay(counters: Float64Array): number {
  return counters[Count.sessionsOpened] - counters[Count.sessionsEnded] - counters[Count.sessionsReset] -
    counters[Count.sessionsRefused];
}

/** Looks at a Worker's sessions until none is left. One thread. */
export class DrainWatch implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #counters: Float64Array;
  readonly #waiting: () => number;
  readonly #onDrained: () => void;
  readonly #graceMs: number;
  readonly #timer = new Timer(this);

  /**
   * Makes a watch that does not look yet.
   *
   * @param loop The Worker's loop.
   * @param counters The Worker's row.
   * @param waiting How many connections have no session yet but will.
   * @param onDrained Called once, when nothing is left.
   * @param graceMs Ms before the first look, 0 up.
   */
  constructor(loop: EventLoop, counters: Float64Array, waiting: () => number, onDrained: () => void, graceMs = 0) {
    this.#loop = loop;
    this.#counters = counters;
    this.#waiting = waiting;
    this.#onDrained = onDrained;
    this.#graceMs = graceMs;
  }

  /** Starts to look. */
  start(): void {
    this.#loop.setTimer(this.#timer, Math.max(this.#graceMs, LOOK_MS));
  }

  /** Looks. */
  onTimer(): void {
    if (sessionsUnderWay(this.#counters) === 0 && this.#waiting() === 0) this.#onDrained();
    else this.#loop.setTimer(this.#timer, LOOK_MS);
  }
}
