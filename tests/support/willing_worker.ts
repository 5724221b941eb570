// A reactor that does what it is told: by its configuration at start, by messages and by records.

import { type Reactor, type ReactorContext, serveReactor } from "../../core/reactor/reactor_worker.ts";

/** What it may be told. */
export type Order =
  | { readonly kind: "fail"; readonly message: string }
  | { readonly kind: "end" }
  | { readonly kind: "log"; readonly message: string }
  | { readonly kind: "send"; readonly to: number; readonly word: number }
  | { readonly kind: "nothing" };

class Willing implements Reactor {
  readonly #context: ReactorContext;

  constructor(context: ReactorContext, order: Order) {
    this.#context = context;
    this.onMessage(order);
  }

  onMessage(message: unknown): void {
    const order = message as Order;
    switch (order.kind) {
      case "fail":
        throw new Error(order.message);
      case "end":
        return this.#context.loop.stop();
      case "log":
        for (const level of ["debug", "info", "warning"] as const) {
          this.#context.log(level, order.message, { wanted: this.#context.logs(level) });
        }
        return;
      case "send":
        return this.#context.mailbox.send(order.to, order.word);
      case "nothing":
        return this.#context.report("nothing done");
      default:
        return order satisfies never;
    }
  }

  onRecord(from: number, words: Int32Array, at: number): void {
    this.#context.report(`${words[at]} from ${from}`);
  }

  onPhase(phase: number): void {
    this.#context.report(`phase ${phase}`);
  }

  dispose(): void {
    this.#context.report("disposed");
  }
}

serveReactor((context, config) => new Willing(context, config as Order));
