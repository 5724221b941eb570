// Puts flags, environment, file and defaults together, for either program. It knows the tables of settings by their form
// only; what one program's settings mean together is checked by that program's own file.

import { readCommandLine } from "./command_line.ts";
import { ConfigError, UnexpectedValueError } from "./config_error.ts";
import { type ConfigFile, readConfigFile } from "./config_file.ts";
import { helpText, type Program, versionText } from "./help.ts";
import { configFileSetting, type SettingsTable, type ValuesOf } from "./setting.ts";
import { formatDuration } from "./value_kind.ts";
import {
  type ConfigWarning,
  type Environment,
  findToken,
  type ReadFile,
  readText,
  type Secrets,
  type TokenSource,
} from "./token.ts";

/** What a program is asked to do: run, or print a text and end. */
export type Loaded<C> =
  | { kind: "run"; config: C; secretFiles: readonly string[]; warnings: readonly ConfigWarning[] }
  | { kind: "help" | "version"; text: string };

/** All that was said about a program's settings, put together. */
export interface Gathered<S extends SettingsTable> {
  /** Tells this apart from a text to print. */
  readonly kind: "run";
  /** The program's settings, complete with defaults. */
  readonly values: ValuesOf<S>;
  /** The token of the first place that has one. */
  readonly token: string | null;
  /** The settings of one list entry that were given as flags; the others are missing. */
  readonly listFlags: Readonly<Record<string, unknown>>;
  /** The configuration file, if there is one. */
  readonly file: ConfigFile | null;
  /** The files that have a token in them, as far as they were read: no other user should be able to read these files. */
  readonly secretFiles: readonly string[];
  /** What is right and probably not meant. */
  readonly warnings: readonly ConfigWarning[];
  /** Reads tokens, and adds their files to `secretFiles` and what is odd to `warnings`. */
  readonly secrets: Secrets;
  /** Names where a setting was made, or gives `null` if it is the default. */
  placeOf(key: keyof S & string): string | null;
}

/**
 * Reads the command line and what it refers to.
 *
 * @throws {ConfigError} On the first mistake of the user, in one line.
 */
export function gather<S extends SettingsTable>(
  program: Program & { settings: S },
  args: readonly string[],
  environment: Environment,
  readFile: ReadFile,
): Gathered<S> | { kind: "help" | "version"; text: string } {
  const { settings, list } = program;
  const listSettings = list?.asFlags ? list.settings : {};
  const table: SettingsTable = { ...settings, ...listSettings, config: configFileSetting };
  const asked = readCommandLine(args, Object.keys(table));
  if (asked.kind === "help") return { kind: "help", text: helpText(program) };
  if (asked.kind === "version") return { kind: "version", text: versionText(program) };

  const flags = new Map<string, unknown>();
  for (const [key, text] of asked.flags) flags.set(key, readFlag(table, key, text));
  const path = flags.get("config") as string | undefined;
  const file = path === undefined ? null : readConfigFile(path, readText(path, "--config", readFile), settings, list);

  const secretFiles = file !== null && hasToken(file) ? [file.path] : [];
  const warnings: ConfigWarning[] = [];
  const secrets: Secrets = {
    read: (path) => {
      secretFiles.push(path);
      return readFile(path);
    },
    warn: (warning) => void warnings.push(warning),
  };

  const values: Record<string, unknown> = {};
  for (const [key, { default: fallback, value }] of Object.entries(settings)) {
    values[key] = flags.get(key) ?? file?.values[key] ?? (fallback === null ? null : value.read(fallback));
  }
  const listFlags = [...flags].filter(([key]) => Object.hasOwn(listSettings, key));
  return {
    kind: "run",
    values: values as ValuesOf<S>,
    token: findToken(tokenOfFlags(flags), environment, file && tokenOfFile(file), secrets),
    listFlags: Object.fromEntries(listFlags),
    file,
    secretFiles,
    warnings,
    secrets,
    placeOf: (key) => flags.has(key) ? `--${key}` : file?.values[key] === undefined ? null : file.placeOf([key]),
  };
}

/**
 * Checks what holds for the heartbeats of both programs.
 *
 * @throws {ConfigError} If the timeout is not longer than the interval.
 */
export function checkHeartbeats(
  intervalMs: number,
  timeoutMs: number,
  placeOf: (key: "heartbeat_timeout" | "heartbeat_interval") => string | null,
): void {
  if (timeoutMs > intervalMs) return;
  const place = placeOf("heartbeat_timeout") ?? placeOf("heartbeat_interval") ?? "heartbeat_timeout";
  throw new ConfigError(
    `${place}: expected a heartbeat_timeout longer than heartbeat_interval, got ${formatDuration(timeoutMs)} and ` +
      formatDuration(intervalMs),
  );
}

function readFlag(table: SettingsTable, key: string, text: string): unknown {
  try {
    return table[key]!.value.read(text);
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
    throw new ConfigError(`--${key}: ${error.explanation}`);
  }
}

/** Whether a token stands in the file itself, also one that another place wins over. */
function hasToken({ values, list }: ConfigFile): boolean {
  return [values, ...(list ?? [])].some(({ token }) => (token ?? null) !== null);
}

function tokenOfFlags(flags: ReadonlyMap<string, unknown>): TokenSource {
  return {
    token: (flags.get("token") ?? null) as string | null,
    tokenFile: (flags.get("token_file") ?? null) as string | null,
    placeOf: (key) => `--${key}`,
  };
}

function tokenOfFile(file: ConfigFile): TokenSource {
  return {
    token: (file.values.token ?? null) as string | null,
    tokenFile: file.pathOf((file.values.token_file ?? null) as string | null),
    placeOf: (key) => file.placeOf([key]),
  };
}
