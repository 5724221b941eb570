// A LocalServer that gives back what comes.

import { acceptFrom, addressOf, listenLocally } from "./conns.ts";

/** A LocalServer that gives back what comes; `using` closes it. */
export class Echo implements Disposable {
  readonly #listener = listenLocally();
  /** Where it listens. */
  readonly address = addressOf(this.#listener);

  constructor() {
    this.#serve();
  }

  async #serve(): Promise<void> {
    try {
      for (;;) {
        const conn = await acceptFrom(this.#listener);
        // visitors end as they like
        conn.readable.pipeTo(conn.writable).catch(() => {});
      }
    } catch (error) {
      // the listener is closed
      if (!(error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted)) throw error;
    }
  }

  [Symbol.dispose](): void {
    this.#listener.close();
  }
}
