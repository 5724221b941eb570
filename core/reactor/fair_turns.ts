// Shares the time of a turn when there is more work than time: the parties take turns, slice by slice. So a party with a
// flood of work gets the time that is left over, and not the time of other parties. It does not know the work.
import type { EventLoop, Task } from "./event_loop.ts";

/** Ms of one turn for all parties together. What is left over waits until new events were seen. */
const TURN_MS = 4;

/** Work that is done in slices. */
export interface SlicedWork {
  /** Whose share of the time it uses, compared as the key of a Map; may change while the work does not wait. */
  readonly party: unknown;
  /** True from being added until there is nothing to do. Kept by {@linkcode FairTurns}. */
  waiting: boolean;
  /** Does a slice, well below a millisecond. Returns whether there is more to do. */
  slice(): boolean;
}

/** See the file's head. One thread. */
export class FairTurns implements Task {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  readonly #clock: () => number;
  /** The work of each party that has some; the party whose slice was the longest ago comes first. */
  readonly #parties = new Map<unknown, SlicedWork[]>();

  /**
   * Makes it without any work.
   *
   * @param loop The Worker's loop.
   * @param clock Gives ms. Default: `performance.now`.
   */
  constructor(loop: EventLoop, clock: () => number = () => performance.now()) {
    this.#loop = loop;
    this.#clock = clock;
  }

  /** There is work: it begins in this turn if there is time. Again is nothing. */
  add(work: SlicedWork): void {
    if (work.waiting) return;
    work.waiting = true;
    this.#queue(work);
    // among the last tasks: what a slice sends leaves in the same turn
    this.#loop.enqueueLast(this);
  }

  #queue(work: SlicedWork): void {
    const queue = this.#parties.get(work.party);
    if (queue === undefined) this.#parties.set(work.party, [work]);
    else queue.push(work);
  }

  /** Gives out slices until the time is over, or other Workers do not keep up with what comes of them. */
  run(): void {
    const end = this.#clock() + TURN_MS;
    while (this.#parties.size > 0) {
      if (this.#loop.holdBack(this)) return;
      this.#giveSlice();
      if (this.#clock() >= end) break;
    }
    if (this.#parties.size > 0) this.#loop.enqueue(this);
  }

  #giveSlice(): void {
    const [party, queue] = this.#parties.entries().next().value!;
    this.#parties.delete(party);
    const work = queue.shift()!;
    if (queue.length > 0) this.#parties.set(party, queue);
    if (work.slice()) this.#queue(work);
    else work.waiting = false;
  }
}
