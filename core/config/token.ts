// Where the shared secret comes from. It never puts a token into a message.

import type { LogFields } from "../reactor/log_record.ts";
import { readToken } from "./value_kind.ts";
import { ConfigError, quote, UnexpectedValueError } from "./config_error.ts";

/** The environment variable that holds the token. */
export const TOKEN_VARIABLE = "CPROXY_TOKEN";

/** What one place says about the token: itself, or the file that holds it. */
export interface TokenSource {
  /** The token, if it stands there. */
  readonly token: string | null;
  /** The path of its file, if that stands there; resolved against the current directory. */
  readonly tokenFile: string | null;
  /** Names the setting that says so, for an error message. */
  placeOf(key: "token" | "token_file"): string;
}

/** Reads a whole file as text; throws an error of the system if that cannot be done. */
export type ReadFile = (path: string) => string;

/** What is right and probably not meant; it is logged once the log is open. */
export interface ConfigWarning {
  /** What is odd, the same text every time. */
  readonly message: string;
  /** Where. */
  readonly fields: LogFields;
}

/** How tokens are read. */
export interface Secrets {
  /** Reads the file of a token. */
  readonly read: ReadFile;
  /** Takes a warning about a token, which does not show it. */
  readonly warn: (warning: ConfigWarning) => void;
}

/** Reads an environment variable. */
export interface Environment {
  /** The value of the variable, or `undefined` if it is not set. */
  get(name: string): string | undefined;
}

/**
 * Gives the token of the first place that has one: `--token`, `--token_file`, `CPROXY_TOKEN`, then `token` and
 * `token_file` in the configuration file; `null` if none has.
 *
 * @throws {ConfigError} If that token is empty or too long, or its file cannot be read.
 */
export function findToken(
  flags: TokenSource,
  environment: Environment,
  file: TokenSource | null,
  secrets: Secrets,
): string | null {
  const variable: TokenSource = {
    token: tokenVariable(environment),
    tokenFile: null,
    placeOf: () => TOKEN_VARIABLE,
  };
  for (const source of file === null ? [flags, variable] : [flags, variable, file]) {
    const token = tokenOf(source, secrets);
    if (token !== null) return token;
  }
  return null;
}

/** The environment variable, or `null`. */
function tokenVariable(environment: Environment): string | null {
  try {
    return environment.get(TOKEN_VARIABLE) ?? null;
  } catch (error) {
    if (!(error instanceof Deno.errors.InvalidData)) throw error;
    // its message would show the token
    throw new ConfigError(`${TOKEN_VARIABLE}: expected a token of text in UTF-8, got other bytes`);
  }
}

/**
 * Gives the token of one place, or `null`.
 *
 * @throws {ConfigError} If it stands there and in a file, is empty or too long, or its file cannot be read.
 */
export function tokenOf({ token, tokenFile, placeOf }: TokenSource, secrets: Secrets): string | null {
  if (token !== null && tokenFile !== null) {
    throw new ConfigError(`${placeOf("token_file")}: expected token or token_file, got both`);
  }
  if (token !== null) return checkedToken(token, placeOf("token"), secrets);
  if (tokenFile === null) return null;
  const place = placeOf("token_file");
  return checkedToken(readText(tokenFile, place, secrets.read), place, secrets);
}

/**
 * Reads a file that a setting names.
 *
 * @param place Names the setting, for the error message.
 * @throws {ConfigError} If it cannot be read: one line that says why.
 */
export function readText(path: string, place: string, readFile: ReadFile): string {
  try {
    return readFile(path);
  } catch (error) {
    const said = error instanceof Error ? error.message : String(error);
    const reason = /^(.*?)(?: \(os error \d+\)|\n|$)/s.exec(said)?.[1];
    throw new ConfigError(`${place}: cannot read ${quote(path)}: ${reason}`);
  }
}

/** A variable, as shells, unit files, env files and templates write it. */
const VARIABLE = /^\$\w+$|\$\{\w+[^}]*\}|^%\w+%$|\{\{.*\}\}/;

function checkedToken(text: string, place: string, secrets: Secrets): string {
  try {
    const token = readToken(text);
    if (VARIABLE.test(token)) {
      secrets.warn({
        message: "The token looks like a variable without its value",
        fields: { setting: place },
      });
    }
    return token;
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
    throw new ConfigError(`${place}: ${error.explanation}`);
  }
}
