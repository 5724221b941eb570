// How many PublicConns each client has, in shared memory: the acceptor counts them in and the relay Workers count them out.
import type { ControlId } from "../protocol/ids.ts";

/** Places; clients whose numbers are so far apart share one, and then seem to have more than they have. */
const PLACES = 65_536;

/** A view on the loads; one per thread. Any thread may call anything. */
export class ClientLoads {
  /** The memory, to be posted to Workers. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /**
   * Lays the view over memory.
   *
   * @param memory Memory of another such view; new memory when left out.
   */
  constructor(memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(PLACES * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory);
  }

  /** A client has one more (1) or one less (-1). */
  count(control: ControlId, change: 1 | -1): void {
    Atomics.add(this.#words, control % PLACES, change);
  }

  /** How many it has. */
  of(control: ControlId): number {
    return Atomics.load(this.#words, control % PLACES);
  }
}
