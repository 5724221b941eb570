// Says that something must wait for want of descriptors, once a minute at most for all Workers of the program together: a
// process that is short of them must not fill the disk too.
import type { LogFields } from "./log_record.ts";
import type { ReactorContext } from "./reactor_worker.ts";

/** One Worker's part of it. */
export class ShortageLog {
  readonly #context: Pick<ReactorContext, "log" | "mailbox">;
  #unlogged = 0;

  /** Makes a log of a Worker. */
  constructor(context: Pick<ReactorContext, "log" | "mailbox">) {
    this.#context = context;
  }

  /**
   * Notes that something waits, and writes a line unless some Worker has written one in the last minute.
   *
   * @param message What waits.
   * @param fields Where and why.
   */
  note(message: string, fields: LogFields): void {
    this.#unlogged++;
    if (!this.#context.mailbox.mayTellShortage()) return;
    this.#context.log("warning", message, { ...fields, times: this.#unlogged });
    this.#unlogged = 0;
  }
}
