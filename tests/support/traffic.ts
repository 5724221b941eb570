// Ordinary traffic that must not notice what happens beside it: transfers one after the other, every byte checked. It
// knows nothing of what lies between.

import { assertEquals } from "./assert.ts";
import { soon } from "./conns.ts";
import { payloadSha256 } from "./payload.ts";
import { downloadFrom, uploadTo } from "./transfers.ts";

/** Ms after which a transfer counts as stuck. */
const STUCK_MS = 30_000;

/** Uploads and downloads, by turns, until it is told to stop. */
export class Traffic {
  readonly #address: string;
  readonly #bytes: number;
  readonly #running: Promise<number>;
  #stopped = false;

  /** Starts transfers of `bytes` bytes with the service of `startTransferService(bytes)` behind `address`. */
  constructor(address: string, bytes: number) {
    this.#address = address;
    this.#bytes = bytes;
    this.#running = this.#run();
    this.#running.catch(() => {}); // told by stop
  }

  async #run(): Promise<number> {
    let count = 0;
    for (; !this.#stopped; count++) {
      const seed = count % 256;
      const received = count % 2 === 0 ? uploadTo(this.#address, seed, this.#bytes) : downloadFrom(this.#address, seed);
      const sha256 = await soon(`transfer number ${count}`, received, STUCK_MS);
      assertEquals(sha256, payloadSha256(seed, this.#bytes), `transfer number ${count}`);
    }
    return count;
  }

  /**
   * Waits for the transfer under way; how many there were.
   *
   * @throws {Error} If one of them failed, was stuck, or had a wrong byte.
   */
  stop(): Promise<number> {
    this.#stopped = true;
    return this.#running;
  }
}
