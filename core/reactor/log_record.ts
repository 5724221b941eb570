// The parts of a log record, on its way from a Worker to the log. It writes nothing.

/** How severe a record may be, least first. */
export const LOG_LEVELS = ["debug", "info", "warning", "error"] as const;

/** One of {@linkcode LOG_LEVELS}. */
export type LogLevel = typeof LOG_LEVELS[number];

/** What a record says besides its message, by name. */
export type LogFields = Readonly<Record<string, string | number | boolean>>;
