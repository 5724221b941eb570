// A single-producer single-consumer ring of fixed-size records in shared memory. It must never know what a record means.

/** Words (32-bit) in a record: one cache line. */
export const RECORD_WORDS = 16;

// head, tail and the producer's flag each have a cache line of their own, or the two sides would slow each other down
const HEAD = 0;
const TAIL = 16;
const PRODUCER_WAITS = 32;
const RECORDS = 48;

/**
 * Makes the memory of a ring.
 *
 * @param capacity How many records it holds: a power of two from 2 up.
 * @throws {RangeError} When it is not a power of two.
 */
export function allocateRing(capacity: number): SharedArrayBuffer {
  if (capacity < 2 || (capacity & (capacity - 1)) !== 0) {
    throw new RangeError(`Cannot make a ring of ${capacity} records: expected a power of two from 2 up`);
  }
  return new SharedArrayBuffer((RECORDS + capacity * RECORD_WORDS) * 4);
}

function capacityOf(memory: SharedArrayBuffer): number {
  return (memory.byteLength / 4 - RECORDS) / RECORD_WORDS;
}

/** The producer's end. Positions run freely through 32 bits; only their low bits index the ring. */
export class RingWriter {
  readonly #words: Int32Array;
  readonly #capacity: number;
  #tail: number;
  /** The consumer's position when last looked at: read again only when the ring seems full. */
  #head: number;

  /**
   * Takes the producer's role, which one Worker at a time may have.
   *
   * @param memory Made by {@linkcode allocateRing}.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#capacity = capacityOf(memory);
    this.#tail = Atomics.load(this.#words, TAIL);
    this.#head = Atomics.load(this.#words, HEAD);
  }

  /**
   * Appends a record.
   *
   * @param record {@linkcode RECORD_WORDS} words; they are copied.
   * @returns False when the ring is full. The consumer then sees that the producer waits, and must wake it.
   */
  push(record: Int32Array): boolean {
    if (((this.#tail - this.#head) | 0) >= this.#capacity && !this.#findRoom()) return false;
    this.#words.set(record, RECORDS + (this.#tail & (this.#capacity - 1)) * RECORD_WORDS);
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.#words, TAIL, this.#tail);
    return true;
  }

  #findRoom(): boolean {
    this.#head = Atomics.load(this.#words, HEAD);
    if (((this.#tail - this.#head) | 0) < this.#capacity) return true;
    Atomics.store(this.#words, PRODUCER_WAITS, 1);
    // the consumer may have made room before it could see the flag: look once more
    this.#head = Atomics.load(this.#words, HEAD);
    return ((this.#tail - this.#head) | 0) < this.#capacity;
  }
}

/** The consumer's end. */
export class RingReader {
  readonly #words: Int32Array;
  readonly #capacity: number;
  #head: number;

  /**
   * Takes the consumer's role, which one Worker at a time may have.
   *
   * @param memory Made by {@linkcode allocateRing}.
   */
  constructor(memory: SharedArrayBuffer) {
    this.#words = new Int32Array(memory);
    this.#capacity = capacityOf(memory);
    this.#head = Atomics.load(this.#words, HEAD);
  }

  /** The ring's memory as words, in which the records lie. */
  get words(): Int32Array {
    return this.#words;
  }

  /** The producer's position now. What was written before it is visible to the caller. */
  tail(): number {
    return Atomics.load(this.#words, TAIL);
  }

  /** Whether no record waits. */
  isEmpty(): boolean {
    return this.#head === this.tail();
  }

  /**
   * Where the next record starts in {@linkcode words}.
   *
   * @param tail A position from {@linkcode tail}.
   * @returns A word index, or -1 when everything before `tail` was taken.
   */
  at(tail: number): number {
    return this.#head === tail ? -1 : RECORDS + (this.#head & (this.#capacity - 1)) * RECORD_WORDS;
  }

  /**
   * Gives the current record's room back to the producer.
   *
   * @returns True when the producer found the ring full and waits for a wake-up.
   */
  advance(): boolean {
    this.#head = (this.#head + 1) | 0;
    Atomics.store(this.#words, HEAD, this.#head);
    return Atomics.load(this.#words, PRODUCER_WAITS) !== 0 && Atomics.exchange(this.#words, PRODUCER_WAITS, 0) !== 0;
  }
}
