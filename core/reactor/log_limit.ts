// Log lines that others can cause: so many a minute and not more. What was left out is counted, and the last of it is
// written when the minute is over, so that nothing goes on unseen.
import type { LogFields, LogLevel } from "./log_record.ts";
import type { ReactorContext } from "./reactor_worker.ts";
import { Timer, type TimerTarget } from "./timer_queue.ts";

const INTERVAL_MS = 60_000;

/** What a limit needs of its Worker; or of another limit, for two in a row. */
export type LogLimitContext = Pick<ReactorContext, "log" | "loop">;

/** What is limited. */
export interface LogLimitOptions {
  /** Lines a minute, 1 up. */
  readonly lines: number;
  /** Characters a minute, of messages and fields together. Default: any number. */
  readonly characters?: number;
  /** The field of every line that says how many it stands for. Default: `unlogged`, how many were left out, if any were. */
  readonly counted?: string;
  /** Whether there may be a line in this minute, where several Workers share a limit. Default: always. */
  readonly mayWrite?: () => boolean;
}

interface Line {
  readonly level: LogLevel;
  readonly message: string;
  readonly fields: LogFields;
}

/** Limits one kind of line, or the lines of one party, in one Worker. */
export class LogLimit implements TimerTarget {
  readonly #context: LogLimitContext;
  readonly #options: LogLimitOptions;
  readonly #timer = new Timer(this);
  #linesLeft = 0;
  #charactersLeft = 0;
  #nextInterval = -Infinity;
  #leftOut = 0;
  #last: Line | null = null;

  /** Makes a limit of a Worker. */
  constructor(context: LogLimitContext, options: LogLimitOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** Writes the line, with how many were left out before it; or leaves it out. */
  log(level: LogLevel, message: string, fields: LogFields = {}): void {
    const line = { level, message, fields };
    if (this.#hasRoom()) this.#write(line);
    else this.#leaveOut(line);
  }

  #hasRoom(): boolean {
    if (this.#context.loop.now < this.#nextInterval) return this.#linesLeft > 0 && this.#charactersLeft > 0;
    if (this.#options.mayWrite?.() === false) return false;
    this.#begin();
    return true;
  }

  #begin(): void {
    this.#nextInterval = this.#context.loop.now + INTERVAL_MS;
    this.#linesLeft = this.#options.lines;
    this.#charactersLeft = this.#options.characters ?? Infinity;
  }

  #leaveOut(line: Line): void {
    this.#leftOut++;
    this.#last = line;
    // where Workers share a limit, another one may write then
    if (this.#timer.isSet || this.#options.mayWrite !== undefined) return;
    this.#context.loop.timers.set(this.#timer, this.#nextInterval);
  }

  /** The minute is over, and something was left out. */
  onTimer(): void {
    this.#begin();
    if (this.#last === null) return;
    this.#leftOut--;
    this.#write(this.#last);
  }

  #write({ level, message, fields }: Line): void {
    const { counted } = this.#options;
    const count: LogFields = counted !== undefined
      ? { [counted]: this.#leftOut + 1 }
      : this.#leftOut > 0
      ? { unlogged: this.#leftOut }
      : {};
    this.#leftOut = 0;
    this.#last = null;
    this.#linesLeft--;
    this.#charactersLeft -= lengthOf(message, fields);
    this.#context.log(level, message, { ...fields, ...count });
  }

  /** There will be no more: what was left out stays so. */
  close(): void {
    this.#context.loop.timers.clear(this.#timer);
  }
}

/**
 * The limit of lines that say that something must wait for want of descriptors: one a minute for all Workers of the program
 * together, for a process that is short of descriptors must not fill the disk too.
 */
export function shortageLog(context: Pick<ReactorContext, "log" | "loop" | "mailbox">): LogLimit {
  return new LogLimit(context, { lines: 1, counted: "times", mayWrite: () => context.mailbox.mayTellShortage() });
}

function lengthOf(message: string, fields: LogFields): number {
  let length = message.length;
  for (const key in fields) length += key.length + 2 + String(fields[key]).length;
  return length;
}
