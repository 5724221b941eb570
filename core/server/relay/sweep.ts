// What expires on a relay Worker of the server: one timer for all clients, and only while there is something that may.
// A client that is at rest costs nothing here.
import type { EventLoop } from "../../reactor/event_loop.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";

/** Ms between two sweeps. */
const SWEEP_MS = 1000;

/** Something that has what may expire. */
export interface Swept {
  /**
   * Ends what has expired.
   *
   * @param now Ms of the loop's clock.
   * @returns Whether there is more that may.
   */
  sweep(now: number): boolean;
}

/** See the file's head. One thread. */
export class Sweep implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #watched = new Set<Swept>();
  readonly #timer = new Timer(this);

  /** Makes one that has nothing to do. */
  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** Sweeps there as well, every second until it says that there is no more. */
  watch(swept: Swept): void {
    this.#watched.add(swept);
    if (!this.#timer.isSet) this.#loop.setTimer(this.#timer, SWEEP_MS);
  }

  /** It has nothing left that may expire. */
  forget(swept: Swept): void {
    this.#watched.delete(swept);
  }

  /** A second has gone by. */
  onTimer(): void {
    for (const swept of this.#watched) if (!swept.sweep(this.#loop.now)) this.#watched.delete(swept);
    if (this.#watched.size > 0) this.#loop.setTimer(this.#timer, SWEEP_MS);
  }
}
