// Says that accepting has paused, once a minute at most: a process out of descriptors must not fill the disk too.
import type { ReactorContext } from "./reactor_worker.ts";

const INTERVAL_MS = 60_000;

/** One Worker's log of accept pauses. */
export class AcceptPauseLog {
  readonly #context: ReactorContext;
  readonly #what: string;
  #next = -Infinity;
  #unlogged = 0;

  /**
   * Makes a log.
   *
   * @param context The Worker.
   * @param what Which kind of listener it is about.
   */
  constructor(context: ReactorContext, what: string) {
    this.#context = context;
    this.#what = what;
  }

  /**
   * Notes a pause.
   *
   * @param reason The errno's name.
   * @param port The listener's port.
   */
  note(reason: string, port: number): void {
    this.#unlogged++;
    const { now } = this.#context.loop;
    if (now < this.#next) return;
    this.#context.log("warning", `Cannot accept on a ${this.#what}; connections wait`, {
      reason,
      port,
      pauses: this.#unlogged,
    });
    this.#next = now + INTERVAL_MS;
    this.#unlogged = 0;
  }
}
