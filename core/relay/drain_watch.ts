// Tells when a relay Worker has no sessions left, while the program drains.
import type { ReactorContext } from "../reactor/reactor_worker.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { sessionsInBlock } from "./counters.ts";

/** Ms between two looks. */
const LOOK_MS = 20;

/** What a relay Worker then reports to the supervisor, once. */
export interface DrainedReport {
  /** Tells reports apart. */
  readonly kind: "drained";
}

/** Looks at a Worker's sessions until none is left. One thread. */
export class DrainWatch implements TimerTarget {
  readonly #context: ReactorContext;
  readonly #counters: Float64Array;
  readonly #waiting: () => number;
  readonly #graceMs: number;
  readonly #timer = new Timer(this);

  /**
   * Makes a watch that does not look yet.
   *
   * @param context The Worker.
   * @param counters The Worker's block.
   * @param waiting How many connections have no session yet but will.
   * @param graceMs Ms before the first look, 0 up.
   */
  constructor(context: ReactorContext, counters: Float64Array, waiting: () => number, graceMs = 0) {
    this.#context = context;
    this.#counters = counters;
    this.#waiting = waiting;
    this.#graceMs = graceMs;
  }

  /** Starts to look. */
  start(): void {
    this.#context.loop.setTimer(this.#timer, Math.max(this.#graceMs, LOOK_MS));
  }

  /** Looks. */
  onTimer(): void {
    const { loop } = this.#context;
    if (sessionsInBlock(this.#counters) > 0 || this.#waiting() > 0) return loop.setTimer(this.#timer, LOOK_MS);
    this.#context.report({ kind: "drained" } satisfies DrainedReport);
  }
}
