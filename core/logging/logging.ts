// Where log records go: stderr, one line each, by LogTape. It knows how a record looks and nothing of what is logged.

import { configureSync, getLogger, type LogRecord as LogTapeRecord } from "@logtape/logtape";
import { formatJson, formatText, type LogFields, type LogLevel } from "./log_line.ts";

export type { LogFields, LogLevel } from "./log_line.ts";

/** How logging is set up. */
export interface LoggingOptions {
  /** The least severe level that is written. */
  readonly level: LogLevel;
  /** For people, or one JSON object per line. */
  readonly format: "text" | "json";
  /** The name of the program, which JSON records carry. */
  readonly program: string;
}

/** A record as a Worker posts it to the supervisor; `log(record.level, record.message, record.fields)` writes it. */
export interface LogRecord {
  /** How severe it is. */
  readonly level: LogLevel;
  /** What happened, the same text every time. */
  readonly message: string;
  /** To whom and with what. */
  readonly fields?: LogFields;
}

const CATEGORY = "cproxy";

/**
 * Sends records of `level` and above to stderr from now on; until it is called they are dropped. Main isolate only.
 * Every record is written before the call that logs it returns. A stderr that is closed or full stops nobody.
 */
export function startLogging(options: LoggingOptions): void {
  const write = stderrWriter();
  const sink = (record: LogTapeRecord): void => {
    // The raw message: LogTape's templates are not used, so braces are only braces.
    const line = {
      timeMs: record.timestamp,
      level: record.level as LogLevel,
      message: String(record.rawMessage),
      fields: record.properties as LogFields,
    };
    write(options.format === "json" ? formatJson(line, options.program) : formatText(line));
  };
  configureSync({
    reset: true,
    sinks: { stderr: sink },
    loggers: [
      { category: CATEGORY, lowestLevel: options.level, sinks: ["stderr"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["stderr"] },
    ],
  });
}

/** Logs one record. Main isolate only; a Worker posts a {@linkcode LogRecord} to it. */
export function log(level: LogLevel, message: string, fields: LogFields = {}): void {
  getLogger(CATEGORY)[level](message, fields);
}

/** Makes a function that writes a line to stderr at once and never throws. */
function stderrWriter(): (line: string) => void {
  const encoder = new TextEncoder();
  let lineIsBroken = false;
  return (line) => {
    // A line that could be written in part only is ended, so that the next one starts on its own.
    const bytes = encoder.encode(`${lineIsBroken ? "\n" : ""}${line}\n`);
    let written = 0;
    try {
      while (written < bytes.length) written += Deno.stderr.writeSync(bytes.subarray(written));
      lineIsBroken = false;
    } catch {
      // EPIPE, EBADF, ENOSPC, EAGAIN: there is nobody to tell, and the tunnels must go on.
      if (written > 0) lineIsBroken = true;
    }
  };
}
