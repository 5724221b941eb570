// How a log record becomes one line. It writes nothing anywhere.

/** How severe a record is. */
export type LogLevel = "debug" | "info" | "warning" | "error";

/** What belongs to a record, by name; a field that is `undefined` is left out. */
export type LogFields = Readonly<Record<string, string | number | bigint | boolean | null | undefined>>;

/** A record that is to be written. */
export interface LogLine {
  /** When it was logged, in ms since 1970 (UTC). */
  readonly timeMs: number;
  /** How severe it is. */
  readonly level: LogLevel;
  /** What happened. */
  readonly message: string;
  /** To whom and with what. */
  readonly fields: LogFields;
}

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

/**
 * Writes lines for systemd's journal: each begins with its priority in angle brackets, which the journal takes for itself
 * (sd-daemon(3)).
 */
export function formatJournal(level: LogLevel, text: string): string {
  const prefix = `<${PRIORITIES[level]}>`;
  return prefix + text.replaceAll("\n", `\n${prefix}`);
}

/** Writes what a record says, without its time and level. */
export function formatRecord(line: Pick<LogLine, "message" | "fields">): string {
  let text = escapeUnprintable(line.message);
  for (const [key, value] of Object.entries(line.fields)) {
    if (value !== undefined) text += ` ${key}=${formatValue(value)}`;
  }
  return text;
}

/** Writes a record for programs: a JSON object of `time`, `level`, `program`, `message` and then the fields. */
export function formatJson(line: LogLine, program: string): string {
  const base = { time: new Date(line.timeMs).toISOString(), level: line.level, program, message: line.message };
  // Twice: first for the order, then because no field may take the place of one of these four.
  return escapeUnprintable(JSON.stringify({ ...base, ...line.fields, ...base }, writeBigInt));
}

function formatValue(value: string | number | bigint | boolean | null): string {
  if (typeof value !== "string") return String(value);
  return /^[\w.:/@+,;%~#?&*[\]()<>-]+$/.test(value) ? value : escapeUnprintable(JSON.stringify(value));
}

/** Numbers stay numbers as far as JSON readers agree on them. */
function writeBigInt(_key: string, value: unknown): unknown {
  if (typeof value !== "bigint") return value;
  return BigInt(Number.MIN_SAFE_INTEGER) <= value && value <= BigInt(Number.MAX_SAFE_INTEGER)
    ? Number(value)
    : `${value}`;
}

/** Writes control characters, line separators and marks that turn the direction of text as escapes. */
function escapeUnprintable(text: string): string {
  return text.replace(
    /[\p{Cc}\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069\u{d800}-\u{dfff}]/gu,
    (char) => char === "\n" ? "\\n" : `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}
