// Where the shared secret comes from. It never puts a token into a message.

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
  readFile: ReadFile,
): string | null {
  const variable: TokenSource = {
    token: tokenVariable(environment),
    tokenFile: null,
    placeOf: () => TOKEN_VARIABLE,
  };
  for (const source of file === null ? [flags, variable] : [flags, variable, file]) {
    const token = tokenOf(source, readFile);
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
 * @throws {ConfigError} If it is empty or too long, or its file cannot be read.
 */
export function tokenOf({ token, tokenFile, placeOf }: TokenSource, readFile: ReadFile): string | null {
  if (token !== null) return checkedToken(token, placeOf("token"));
  if (tokenFile === null) return null;
  const place = placeOf("token_file");
  return checkedToken(readText(tokenFile, place, readFile), place);
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

function checkedToken(token: string, place: string): string {
  try {
    return readToken(token);
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
    throw new ConfigError(`${place}: ${error.explanation}`);
  }
}
