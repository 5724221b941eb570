// Messages of any length through rings of fixed-size records: from the supervisor to its Workers. A message is JSON text,
// cut into records. It must never know the content of a message.
//
// A MessagePort would do the same, and cost each Worker 1.6 MiB for node:worker_threads, the only way to read one without
// returning to the JavaScript event queue.
import { RECORD_WORDS, RingReader, RingWriter } from "./spsc_ring.ts";

/** Bytes of a message in a record, after a word that says how many are still to come, these included. */
const RECORD_BYTES = (RECORD_WORDS - 1) * 4;
/** Ms until the supervisor looks at a full ring again: readers do not tell it when there is room. */
const RETRY_MS = 5;

interface KeptRecord {
  readonly reader: number;
  readonly record: Int32Array;
}

/** The supervisor's end of its rings to all Workers. Main isolate only: it needs timers. */
export class MessageWriter {
  readonly #rings: readonly RingWriter[];
  readonly #wake: (reader: number) => void;
  /** Records that have found no room, or came behind such. */
  readonly #kept: KeptRecord[] = [];
  #retry: ReturnType<typeof setTimeout> | null = null;

  /**
   * Takes the producer's role of the rings.
   *
   * @param rings The memory of each reader's ring, by number.
   * @param wake Wakes a reader that may sleep.
   */
  constructor(rings: readonly SharedArrayBuffer[], wake: (reader: number) => void) {
    this.#rings = rings.map((ring) => new RingWriter(ring));
    this.#wake = wake;
  }

  /**
   * Sends a message. The rings are filled in the order of the calls, also across readers: a reader that has
   * got a message may count on it that earlier messages have reached the others. So a reader that takes nothing delays all
   * later messages.
   *
   * @param reader The reader's number.
   * @param message Data that survives JSON.
   * @throws {TypeError} When there is no JSON for it.
   */
  post(reader: number, message: unknown): void {
    const text: string | undefined = JSON.stringify(message);
    if (text === undefined) throw new TypeError(`Cannot send ${String(message)}: there is no JSON for it`);
    for (const record of cut(new TextEncoder().encode(text))) this.#kept.push({ reader, record });
    if (this.#retry === null) this.#flush();
  }

  #flush(): void {
    this.#retry = null;
    let sent = 0;
    while (sent < this.#kept.length && this.#rings[this.#kept[sent].reader].push(this.#kept[sent].record)) sent++;
    const readers = new Set(this.#kept.splice(0, sent).map(({ reader }) => reader));
    for (const reader of readers) this.#wake(reader);
    if (this.#kept.length > 0) this.#retry = setTimeout(() => this.#flush(), RETRY_MS);
  }

  /** Forgets the messages that wait for room; no reader runs any more. */
  dispose(): void {
    if (this.#retry !== null) clearTimeout(this.#retry);
    this.#kept.length = 0;
  }
}

function cut(bytes: Uint8Array): Int32Array[] {
  const records: Int32Array[] = [];
  for (let at = 0; at < bytes.length; at += RECORD_BYTES) {
    const record = new Int32Array(RECORD_WORDS);
    record[0] = bytes.length - at;
    new Uint8Array(record.buffer, 4).set(bytes.subarray(at, at + RECORD_BYTES));
    records.push(record);
  }
  return records;
}

/** A Worker's end of its ring. One thread. */
export class MessageReader {
  readonly #ring: RingReader;
  readonly #bytes: Uint8Array;
  /** The pieces of a message that is not whole yet. */
  #parts: Uint8Array[] = [];

  /**
   * Takes the consumer's role.
   *
   * @param ring The ring's memory.
   */
  constructor(ring: SharedArrayBuffer) {
    this.#ring = new RingReader(ring);
    this.#bytes = new Uint8Array(ring);
  }

  /** Whether nothing waits. */
  isEmpty(): boolean {
    return this.#ring.isEmpty();
  }

  /**
   * Takes what has come.
   *
   * @param onMessage Gets each message that is whole now.
   */
  take(onMessage: (message: unknown) => void): void {
    const { words } = this.#ring;
    const tail = this.#ring.tail();
    for (let at = this.#ring.at(tail); at >= 0; at = this.#ring.at(tail)) {
      const rest = words[at];
      const start = (at + 1) * 4;
      this.#parts.push(this.#bytes.slice(start, start + Math.min(rest, RECORD_BYTES)));
      // the writer looks for room by itself
      this.#ring.advance();
      if (rest <= RECORD_BYTES) onMessage(this.#join());
    }
  }

  #join(): unknown {
    const parts = this.#parts;
    this.#parts = [];
    const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
    let end = 0;
    for (const part of parts) {
      bytes.set(part, end);
      end += part.length;
    }
    return JSON.parse(new TextDecoder().decode(bytes));
  }
}
