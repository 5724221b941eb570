// How many PublicConns have no ProxyConn yet, in shared memory. Each of them needs a descriptor more, so the acceptor must
// know. It knows numbers only.

/**
 * Words of a relay Worker's row, a cache line: PublicConns that it has got from the acceptor, and PublicConns that
 * wait.
 */
const ROW_WORDS = 16;
const TAKEN = 0;
const WAITING = 1;

/** A view on the room; one per thread. Each row is written by one relay Worker and read by the acceptor. */
export class WaitingRoom {
  /** The memory, to be posted to Workers. */
  readonly memory: SharedArrayBuffer;
  readonly #words: Int32Array;

  /**
   * Lays the view over memory.
   *
   * @param relays How many relay Workers there are.
   * @param memory Memory of another such view; new memory when left out.
   */
  constructor(relays: number, memory?: SharedArrayBuffer) {
    this.memory = memory ?? new SharedArrayBuffer(relays * ROW_WORDS * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory);
  }

  /** A relay Worker has got a PublicConn. */
  take(relay: number): void {
    this.#words[relay * ROW_WORDS + TAKEN]++;
  }

  /** One of its PublicConns waits from now on (1), or does not wait any more (-1). */
  count(relay: number, change: 1 | -1): void {
    this.#words[relay * ROW_WORDS + WAITING] += change;
  }

  /**
   * How many wait, including PublicConns on their way to a relay Worker.
   *
   * @param dealt How many PublicConns the acceptor has dealt out since the start, modulo 2^32.
   */
  waiting(dealt: number): number {
    let waiting = dealt;
    for (let at = 0; at < this.#words.length; at += ROW_WORDS) {
      waiting = (waiting - Atomics.load(this.#words, at + TAKEN) + Atomics.load(this.#words, at + WAITING)) | 0;
    }
    return waiting;
  }
}
