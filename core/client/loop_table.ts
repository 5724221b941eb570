// The LocalConns that may be visitors of this very client, in memory that all its relay Workers share: at what depth
// each was made. It may forget one, and then a loop is found a little later.

/** Depth at which a session is refused: as many LocalConns led one to the other and then to its visitor. */
export const MOST_DEPTH = 8;
/** Seconds for which a LocalConn is known: its visitor may wait for a ProxyConn. */
const KNOWN_S = 30;
const SLOTS = 1 << 16;
// a slot: 16 bits of the hash, the depth plus 1 in 4 bits, and 12 bits of the time in seconds; 0 is empty
const TAG = ~0xffff;
const DEPTH_SHIFT = 12;
const TIME = 0xfff;
/** Behind the slots: how many LocalConns have begun, or are about to, and are not in the table yet. */
const EXPECTED = SLOTS;
/** Ms, and how often, to wait for those: a Worker may be suspended between the two. */
const WAIT_MS = 5;
const WAITS = 4;

/** Memory of a {@linkcode LoopTable}. */
export function allocateLoopTable(): SharedArrayBuffer {
  return new SharedArrayBuffer((SLOTS + 1) * Int32Array.BYTES_PER_ELEMENT);
}

/** See the file's head. Any thread. */
export class LoopTable {
  readonly #slots: Int32Array;
  readonly #clock: () => number;

  /**
   * Opens a table.
   *
   * @param memory Of {@linkcode allocateLoopTable}.
   * @param clock Gives ms of a clock that all Workers share. Default: `Date.now`.
   */
  constructor(memory: SharedArrayBuffer, clock: () => number = Date.now) {
    this.#slots = new Int32Array(memory);
    this.#clock = clock;
  }

  get #seconds(): number {
    return Math.floor(this.#clock() / 1000) & TIME;
  }

  /**
   * A LocalConn is about to begin, whose address nobody knows before: its visitor may be here before it is added.
   * Another Worker that reads of the visitor waits until {@linkcode settle}.
   */
  expect(): void {
    Atomics.add(this.#slots, EXPECTED, 1);
  }

  /** It is added, or there is none. */
  settle(): void {
    Atomics.sub(this.#slots, EXPECTED, 1);
    Atomics.notify(this.#slots, EXPECTED);
  }

  /**
   * Adds a LocalConn.
   *
   * @param hash What `visitorHash` makes of it.
   * @param depth Of its session, below {@linkcode MOST_DEPTH}.
   */
  add(hash: number, depth: number): void {
    const slot = (hash & TAG) | ((depth + 1) << DEPTH_SHIFT) | this.#seconds;
    Atomics.store(this.#slots, hash & (SLOTS - 1), slot);
  }

  /** The depth of a visitor's session: 0 for one that is no LocalConn of this client. */
  depthOf(hash: number): number {
    for (let waits = 0;; waits++) {
      const expected = Atomics.load(this.#slots, EXPECTED);
      const depth = this.#find(hash);
      if (depth > 0 || expected === 0 || waits === WAITS) return depth;
      Atomics.wait(this.#slots, EXPECTED, expected, WAIT_MS);
    }
  }

  #find(hash: number): number {
    const slot = Atomics.load(this.#slots, hash & (SLOTS - 1));
    if (slot === 0 || ((slot ^ hash) & TAG) !== 0) return 0;
    const isKnown = ((this.#seconds - slot) & TIME) <= KNOWN_S;
    return isKnown ? (slot >>> DEPTH_SHIFT) & 0xf : 0;
  }
}
