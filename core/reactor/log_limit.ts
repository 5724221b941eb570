// Log lines that strangers can cause: so many a minute and not more, and how many were left out is said.
import type { LogFields, LogLevel } from "./log_record.ts";
import type { ReactorContext } from "./reactor_worker.ts";

const INTERVAL_MS = 60_000;

/** Limits one kind of line of one Worker. */
export class LogLimit {
  readonly #context: Pick<ReactorContext, "log" | "loop">;
  readonly #most: number;
  #left: number;
  #nextInterval = -Infinity;
  #unlogged = 0;

  /**
   * Makes a limit.
   *
   * @param context The Worker.
   * @param most Lines a minute, 1 up.
   */
  constructor(context: Pick<ReactorContext, "log" | "loop">, most: number) {
    this.#context = context;
    this.#most = most;
    this.#left = most;
  }

  /** Writes the line, with how many were left out before it; or leaves it out. */
  log(level: LogLevel, message: string, fields: LogFields): void {
    const { now } = this.#context.loop;
    if (now >= this.#nextInterval) {
      this.#nextInterval = now + INTERVAL_MS;
      this.#left = this.#most;
    }
    if (this.#left === 0) {
      this.#unlogged++;
      return;
    }
    this.#left--;
    this.#context.log(level, message, this.#unlogged === 0 ? fields : { ...fields, unlogged: this.#unlogged });
    this.#unlogged = 0;
  }
}
