// Writes log records, one line each, by LogTape. It knows the look of a record, and neither its meaning nor its reader.

import { configureSync, getLogger, type LogRecord as LogTapeRecord } from "@logtape/logtape";
import type { LogFields, LogLevel } from "../reactor/log_record.ts";
import { formatJournal, formatJson, formatRecord, formatText, type LogFormat, type LogLine } from "./log_line.ts";

/** How logging is set up. */
export interface LoggingOptions {
  /** The least severe level that is written. */
  readonly level: LogLevel;
  /** For people, or one JSON object per line. */
  readonly format: LogFormat;
  /** Whether lines go to systemd's journal: they begin with their priority, and have no time and level of their own. */
  readonly journal?: boolean;
  /** The name of the program, which JSON records carry. */
  readonly program: string;
  /**
   * Writes bytes where the log goes and returns how many it took; 0 or less when none can be taken now. It must neither
   * wait nor throw.
   */
  readonly write: (bytes: Uint8Array) => number;
}

const CATEGORY = "cproxy";

/**
 * Writes records of `level` and above from now on; until it is called they are dropped. Main isolate only. Every record
 * is written before the call that logs it returns, or lost. An output that is closed, full or never read does not stop
 * the program.
 */
export function startLogging(options: LoggingOptions): void {
  const { journal = false, program } = options;
  const plain = journal ? formatRecord : formatText;
  const textOf = (line: LogLine) => {
    const text = options.format === "json" ? formatJson(line, program) : plain(line);
    return journal ? formatJournal(line.level, text) : text;
  };
  const write = lineWriter(
    options.write,
    (lines) => textOf({ timeMs: Date.now(), level: "warning", message: "Log lines were lost", fields: { lines } }),
  );
  const sink = (record: LogTapeRecord): void => {
    // The raw message: LogTape's templates are not used, so braces are only braces.
    write(textOf({
      timeMs: record.timestamp,
      level: record.level as LogLevel,
      message: String(record.rawMessage),
      fields: record.properties as LogFields,
    }));
  };
  configureSync({
    reset: true,
    sinks: { output: sink },
    loggers: [
      { category: CATEGORY, lowestLevel: options.level, sinks: ["output"] },
      { category: ["logtape", "meta"], lowestLevel: "error", sinks: ["output"] },
    ],
  });
}

/** Logs one record. Main isolate only; a Worker posts its records to it. */
export function log(level: LogLevel, message: string, fields: LogFields = {}): void {
  getLogger(CATEGORY)[level](message, fields);
}

/**
 * Makes a function that writes a line at once and never throws. A line that cannot be written is lost, because there is
 * nobody to tell and the tunnels must go on; how many were is told by `lostLine` as soon as a line can be written again.
 */
function lineWriter(write: (bytes: Uint8Array) => number, lostLine: (lines: number) => string): (line: string) => void {
  const encoder = new TextEncoder();
  let lineIsBroken = false;
  let lost = 0;
  const put = (line: string): boolean => {
    // A line of which only a part could be written is ended, so that the next line stands alone.
    const bytes = encoder.encode(`${lineIsBroken ? "\n" : ""}${line}\n`);
    for (let written = 0; written < bytes.length;) {
      const count = write(bytes.subarray(written));
      if (count <= 0) {
        if (written > 0) lineIsBroken = true;
        return false;
      }
      written += count;
    }
    lineIsBroken = false;
    return true;
  };
  return (line) => {
    if (lost > 0 && put(lostLine(lost))) lost = 0;
    if (lost > 0 || !put(line)) lost++;
  };
}
