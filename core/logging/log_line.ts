// How a log record becomes one line. It writes nothing anywhere.
import type { LogFields, LogLevel } from "../reactor/log_record.ts";
import { printable, shortened } from "./printable.ts";

/** How records are written: for people, or one JSON object per line. */
export const LOG_FORMATS = ["text", "json"] as const;

/** One of {@linkcode LOG_FORMATS}. */
export type LogFormat = typeof LOG_FORMATS[number];

/** A record that is to be written. */
export interface LogLine {
  /** When it was logged, in ms since 1970 (UTC). */
  readonly timeMs: number;
  /** How severe it is. */
  readonly level: LogLevel;
  /** What happened. */
  readonly message: string;
  /** The names and numbers that belong to it. */
  readonly fields: LogFields;
}

/** Fields with names that others chose: people see their beginning, programs the whole. */
const NAMES: ReadonlySet<string> = new Set(["name", "tunnel", "program"]);
/** UTF-16 code units. */
const LONGEST_NAME = 48;

/** Priorities of syslog(3). */
const PRIORITIES = { debug: 7, info: 6, warning: 4, error: 3 } as const;

const LEVEL_NAMES = { debug: "DEBUG", info: "INFO ", warning: "WARN ", error: "ERROR" } as const;

/**
 * Writes a record for people: `2026-01-02T03:04:05.678Z INFO  message key=value key2="value with space"`. Values that are
 * empty or hold more than plain characters are quoted as in JSON, so that no value can look like a second field or line.
 */
export function formatText(line: LogLine): string {
  return `${new Date(line.timeMs).toISOString()} ${LEVEL_NAMES[line.level]} ${formatRecord(line)}`;
}

/** Writes a line for systemd's journal: it begins with its priority, which the journal takes for itself (sd-daemon(3)). */
export function formatJournal(level: LogLevel, line: string): string {
  return `<${PRIORITIES[level]}>${line}`;
}

/** Writes the message and the fields of a record, without its time and level. */
export function formatRecord(line: Pick<LogLine, "message" | "fields">): string {
  let text = printable(line.message);
  for (const [key, value] of Object.entries(line.fields)) {
    text += ` ${key}=${formatValue(NAMES.has(key) ? shortName(value) : value)}`;
  }
  return text;
}

/** Writes a record for programs: a JSON object of `time`, `level`, `program`, `message` and then the fields. */
export function formatJson(line: LogLine, program: string): string {
  const base = { time: new Date(line.timeMs).toISOString(), level: line.level, program, message: line.message };
  // Twice: the first time for the order, the second time because no field may replace one of these four.
  return printable(JSON.stringify({ ...base, ...line.fields, ...base }));
}

function shortName<T>(value: T): T | string {
  return typeof value === "string" ? shortened(value, LONGEST_NAME) : value;
}

function formatValue(value: string | number | boolean): string {
  if (typeof value !== "string") return String(value);
  return /^[\w.:/@+,;%~#?&*[\]()<>-]+$/.test(value) ? value : printable(JSON.stringify(value));
}
