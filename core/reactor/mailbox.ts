// The mail of one Worker: records to and from other Workers through rings, and rare messages of the supervisor.
import type { Descriptor } from "../../ffi/descriptor.ts";
import type { Channel, MailSource } from "./event_loop.ts";
import { MessageReader } from "./message_ring.ts";
import { SharedState } from "./shared_state.ts";
import { RECORD_WORDS, RingReader, RingWriter } from "./spsc_ring.ts";

/** Records that may wait for a full ring before this Worker counts as behind: a few bursts of a busy program. */
const MOST_KEPT = 4096;

/** Posts that the supervisor may not have dealt with yet before this Worker counts as behind. */
const MOST_POSTED = 4096;

/** One Worker's part of the wiring between Workers. Posted to it at start. */
export interface Wiring {
  /** The Worker's number. */
  readonly worker: number;
  /** The eventfd of each Worker, by number. */
  readonly wakeFds: readonly Descriptor[];
  /** Memory of {@linkcode SharedState}. */
  readonly state: SharedArrayBuffer;
  /** The ring of the supervisor's messages. */
  readonly messages: SharedArrayBuffer;
  /**
   * Rings that this Worker reads, in the order in which they are drained. A record in a later ring that was caused by one
   * in an earlier ring is always handled after it.
   */
  readonly inbound: readonly { readonly from: number; readonly ring: SharedArrayBuffer }[];
  /** Rings that this Worker writes. */
  readonly outbound: readonly { readonly to: number; readonly ring: SharedArrayBuffer }[];
}

/** Handles the mail of a Worker. */
export interface MailHandler {
  /**
   * A record from another Worker.
   *
   * @param from The number of the Worker that sent it.
   * @param words Shared memory that holds the record until this returns.
   * @param at Where the record starts in `words`.
   */
  onRecord(from: number, words: Int32Array, at: number): void;
  /** A message from the supervisor. */
  onMessage(message: unknown): void;
  /** The program entered a phase (see Phase). */
  onPhase(phase: number): void;
}

/** A record that waits for room in a ring. */
interface KeptRecord {
  readonly to: number;
  readonly record: Int32Array;
}

/** A Worker's mailbox. One thread. Its eventfd wakes the loop; nothing is read from it. */
export class Mailbox implements Channel, MailSource {
  /** This Worker's eventfd. */
  readonly fd: Descriptor;
  readonly #worker: number;
  readonly #state: SharedState;
  readonly #readers: { readonly from: number; readonly reader: RingReader; tail: number }[];
  readonly #outbound: (RingWriter | null)[] = [];
  /**
   * What found a ring full, and everything that was sent after it, also to others: one Worker may tell another one of what
   * this one has sent to a third before, so nothing may overtake it.
   */
  readonly #kept: KeptRecord[] = [];
  readonly #record = new Int32Array(RECORD_WORDS);
  readonly #messages: MessageReader;
  #handler: MailHandler | null = null;
  #phase = 0;
  #posted = 0;

  /**
   * Opens the mailbox.
   *
   * @param wiring This Worker's part of the wiring.
   */
  constructor(wiring: Wiring) {
    this.#worker = wiring.worker;
    this.fd = wiring.wakeFds[wiring.worker];
    this.#state = new SharedState(wiring.state, wiring.wakeFds);
    this.#readers = wiring.inbound.map(({ from, ring }) => ({ from, reader: new RingReader(ring), tail: 0 }));
    for (const { to, ring } of wiring.outbound) {
      while (this.#outbound.length <= to) this.#outbound.push(null);
      this.#outbound[to] = new RingWriter(ring);
    }
    this.#messages = new MessageReader(wiring.messages);
  }

  /** Sets the handler of the mail. Called once, before the loop runs. */
  setHandler(handler: MailHandler): void {
    this.#handler = handler;
  }

  /** So much waits for other Workers, or for the supervisor, that no peer should be allowed to cause more. */
  get isBehind(): boolean {
    return this.#kept.length > MOST_KEPT || ((this.#posted - this.#state.postsHeard(this.#worker)) | 0) > MOST_POSTED;
  }

  /** Counts a post to the supervisor. */
  countPost(): void {
    this.#posted = (this.#posted + 1) | 0;
  }

  /** Being woken is all that the event means. */
  onEvents(): void {}

  /**
   * Sends a record of up to nine words to another Worker; a full ring delays it and never drops it.
   *
   * @param to The Worker's number; there must be a ring to it.
   */
  // positional words: a rest parameter would allocate an array per record
  send(to: number, a: number, b = 0, c = 0, d = 0, e = 0, f = 0, g = 0, h = 0, i = 0): void {
    const record = this.#record;
    record[0] = a;
    record[1] = b;
    record[2] = c;
    record[3] = d;
    record[4] = e;
    record[5] = f;
    record[6] = g;
    record[7] = h;
    record[8] = i;
    const mustWait = this.#kept.length > 0 || !this.#outbound[to]!.push(record);
    if (mustWait) this.#kept.push({ to, record: record.slice() });
    this.#state.wake(to);
  }

  /** Whether this Worker is the one that may tell of a shortage in this minute. */
  mayTellShortage(): boolean {
    return this.#state.mayTellShortage();
  }

  /** Says that the loop is about to sleep; false when there is mail. */
  mayAwaitMail(): boolean {
    this.#state.fallAsleep(this.#worker);
    // the consumer may have made room, and its wake-up met a loop that was still awake: once more, now that it counts
    if (this.#kept.length > 0) this.#retryKept();
    return !this.#hasMail();
  }

  /** Says that the loop is awake. */
  awake(): void {
    this.#state.wokeUp(this.#worker);
  }

  #hasMail(): boolean {
    for (let i = 0; i < this.#readers.length; i++) if (!this.#readers[i].reader.isEmpty()) return true;
    return this.#state.phase !== this.#phase || !this.#messages.isEmpty();
  }

  /** Hands all mail that has come to the handler, and retries records that found a ring full. */
  deliver(): void {
    // positions are taken in reverse draining order: whatever caused a record that is seen here is seen as well
    for (let i = this.#readers.length - 1; i >= 0; i--) this.#readers[i].tail = this.#readers[i].reader.tail();
    // and messages were there before the records that they caused
    if (!this.#messages.isEmpty()) this.#messages.take((message) => this.#handler!.onMessage(message));
    for (let i = 0; i < this.#readers.length; i++) this.#drain(this.#readers[i]);
    if (this.#state.phase !== this.#phase) {
      this.#phase = this.#state.phase;
      this.#handler!.onPhase(this.#phase);
    }
    if (this.#kept.length > 0) this.#retryKept();
  }

  #drain({ from, reader, tail }: { from: number; reader: RingReader; tail: number }): void {
    const { words } = reader;
    for (let at = reader.at(tail); at >= 0; at = reader.at(tail)) {
      this.#handler!.onRecord(from, words, at);
      if (reader.advance()) this.#state.wake(from);
    }
  }

  #retryKept(): void {
    let sent = 0;
    for (const { to, record } of this.#kept) {
      if (!this.#outbound[to]!.push(record)) break;
      sent++;
      this.#state.wake(to);
    }
    if (sent > 0) this.#kept.splice(0, sent);
  }
}
