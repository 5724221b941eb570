// What a host name means, asked again and again: while the resolver is slow or out of reach, what it meant before.
import type { SocketAddress } from "../../ffi/socket_address.ts";

/** Ms to wait for the resolver when there are addresses from before. It may take many seconds without an answer. */
const PATIENCE_MS = 1000;

/** What a name means. */
export interface Meaning {
  /** The addresses in the order to try; empty when the name has never resolved. */
  readonly addresses: readonly SocketAddress[];
  /** Why these are from before, or why there are none; empty when they are new. */
  readonly reason: string;
  /** False when no name server answered. */
  readonly answered: boolean;
}

/** One name. It belongs to the supervisor: the reactors know no promises. */
export class RememberedName {
  readonly #resolve: () => Promise<readonly SocketAddress[]>;
  readonly #patienceMs: number;
  #last: readonly SocketAddress[] = [];
  /** The resolver's answer that is still to come, and since when: it is not asked twice at a time. */
  #asked: { readonly answer: Promise<Meaning>; readonly at: number } | null = null;

  /**
   * Makes one that has not been asked for yet.
   *
   * @param resolve Asks the resolver; may reject with a ResolveError.
   * @param patienceMs Ms to wait, from the question on, when there are addresses from before. Default: 1000.
   */
  constructor(resolve: () => Promise<readonly SocketAddress[]>, patienceMs: number = PATIENCE_MS) {
    this.#resolve = resolve;
    this.#patienceMs = patienceMs;
  }

  /** Asks what the name means now. Never rejects. */
  async ask(): Promise<Meaning> {
    const asked = this.#asked ??= { answer: this.#askResolver(), at: performance.now() };
    if (this.#last.length === 0) return await asked.answer;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Meaning>((resolve) => {
      const reason = "the resolver does not answer";
      const leftMs = asked.at + this.#patienceMs - performance.now();
      timer = setTimeout(() => resolve({ addresses: this.#last, reason, answered: false }), Math.max(0, leftMs));
    });
    try {
      return await Promise.race([asked.answer, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  async #askResolver(): Promise<Meaning> {
    try {
      this.#last = await this.#resolve();
      return { addresses: this.#last, reason: "", answered: true };
    } catch (error) {
      const { message, answered } = error as Error & { answered?: boolean };
      return { addresses: this.#last, reason: message, answered: answered ?? true };
    } finally {
      this.#asked = null;
    }
  }
}
