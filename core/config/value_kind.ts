// The kinds of values that settings have: how each is written, read and explained. It knows no setting by name.

import { describeValue, quote, UnexpectedValueError, unseenCharacter } from "./config_error.ts";
import { type Endpoint, parseEndpoint, parseHost, parsePort, type TcpEndpoint } from "./endpoint.ts";

/** One kind of value, the same for flags (always text) and YAML (text, `null`, a list or a mapping; never a number). */
export interface ValueKind<T> {
  /** What stands for the value in the help text, such as `PORT`. */
  readonly placeholder: string;
  /** What is accepted, as it reads after "expected". */
  readonly expected: string;
  /**
   * Reads a value from a flag or a YAML file.
   *
   * @throws {UnexpectedValueError} If it is not of this kind.
   */
  readonly read: (value: unknown) => T;
}

/** The longest token in bytes. */
const MAX_TOKEN_BYTES = 1024;

/** A port to listen on or to ask for; 0 leaves the choice to the system. */
export const port: ValueKind<number> = kind("PORT", "a port from 0 to 65535", (text) => parsePort(text, 0));

/** An address to listen on, without brackets. */
export const host: ValueKind<string> = kind("HOST", "an IPv4 address, an IPv6 address or a host name", parseHost);

/** A TCP address to connect to. */
export const tcpEndpoint: ValueKind<TcpEndpoint> = kind(
  "HOST:PORT",
  "host:port such as 127.0.0.1:8080",
  (text) => parseEndpoint(text, { allowUnix: false }),
);

/** A TCP address or a Unix socket to connect to. */
export const endpoint: ValueKind<Endpoint> = kind(
  "HOST:PORT|unix:PATH",
  "host:port such as 127.0.0.1:7777, or unix:/path/to.sock",
  (text) => parseEndpoint(text, { allowUnix: true }),
);

/** The name of a tunnel or a token: 1 to 64 characters that need no quoting in logs, metrics and YAML. */
export const name: ValueKind<string> = kind(
  "NAME",
  'a name of 1 to 64 letters, digits, ".", "_" or "-"',
  (text, expected) => {
    if (/^[A-Za-z0-9._-]{1,64}$/.test(text)) return text;
    throw new UnexpectedValueError(expected, quote(text));
  },
);

/** The path of a file. */
export const filePath: ValueKind<string> = kind("FILE", "the path of a file", (text, expected) => {
  if (text !== "" && !text.includes("\0")) return text;
  throw new UnexpectedValueError(expected, quote(text));
});

/** The shared secret; it is never shown. */
export const token: ValueKind<string> = {
  placeholder: "TOKEN",
  expected: `a token of 1 to ${MAX_TOKEN_BYTES} bytes`,
  read: (value) => {
    if (typeof value === "string") return readToken(value);
    throw new UnexpectedValueError(`a token of 1 to ${MAX_TOKEN_BYTES} bytes`);
  },
};

/**
 * Gives the token without what editors, shells and YAML put around it: white space, line breaks and a byte order mark.
 *
 * @throws {UnexpectedValueError} If it is empty, too long, not from UTF-8, or has what one cannot see, or what its place
 * needed and a token does not: other sides would have another token. The message does not show it.
 */
export function readToken(text: string): string {
  // What is no UTF-8 is read as this character: many tokens would be the same.
  if (text.includes("\ufffd")) throw new UnexpectedValueError("a token of text in UTF-8", "other bytes");
  const token = text.trim();
  const bytes = new TextEncoder().encode(token).length;
  if (token === "" || bytes > MAX_TOKEN_BYTES) {
    const size = token === "" ? "an empty one" : `${bytes} bytes`;
    throw new UnexpectedValueError(`a token of 1 to ${MAX_TOKEN_BYTES} bytes`, size);
  }
  const lines = token.split(/\r\n|\r|\n/).length;
  if (lines > 1) throw new UnexpectedValueError("a token on one line", `${lines} lines`);
  const unseen = unseenCharacter(token);
  if (unseen !== null) throw new UnexpectedValueError("a token of characters that one can see", `${unseen} in it`);
  if (/^(?:export\s+)?CPROXY_TOKEN=/.test(token)) {
    throw new UnexpectedValueError("the token alone", "CPROXY_TOKEN= in front of it");
  }
  // also the kinds that a word processor makes
  if (/^(["']).*\1$|^[\u2018\u201c\u201e].*[\u2018\u2019\u201c\u201d]$/.test(token)) {
    throw new UnexpectedValueError("a token without quotes", "one in quotes");
  }
  return token;
}

/**
 * One of a few words.
 *
 * @param others What people write instead of some of them.
 */
export function choice<const W extends string>(
  words: readonly W[],
  others: Readonly<Record<string, W>> = {},
): ValueKind<W> {
  return kind(words.join("|"), `one of ${words.join(", ")}`, (text, expected) => {
    const word = words.find((word) => word === text) ?? (Object.hasOwn(others, text) ? others[text] : undefined);
    if (word === undefined) throw new UnexpectedValueError(expected, quote(text));
    return word;
  });
}

/** A whole number in a range, both ends included. */
export function wholeNumber(lowest: number, highest: number): ValueKind<number> {
  return kind("N", `a whole number from ${lowest} to ${highest}`, (text, expected) => {
    const number = Number(text);
    // not 010, which is 8 for some and 10 for others
    if (/^(?:0|[1-9]\d{0,8})$/.test(text) && number >= lowest && number <= highest) return number;
    throw new UnexpectedValueError(expected, describeValue(text));
  });
}

/** A time written as `500ms`, `10s`, `2m` or a bare number of seconds; read into whole milliseconds. */
export function duration(lowest: string, highest: string): ValueKind<number> {
  const lowestMs = readDuration(lowest)!;
  const highestMs = readDuration(highest)!;
  return kind("TIME", `a time from ${lowest} to ${highest}, such as 10s, 500ms or 2m`, (text, expected) => {
    const ms = readDuration(text);
    if (ms !== undefined && ms >= lowestMs && ms <= highestMs) return ms;
    throw new UnexpectedValueError(expected, quote(text));
  });
}

/** Writes milliseconds as {@linkcode duration} reads them. */
export function formatDuration(ms: number): string {
  if (ms === 0 || ms % 1000 !== 0) return ms === 0 ? "0s" : `${ms}ms`;
  return ms % 60_000 === 0 ? `${ms / 60_000}m` : `${ms / 1000}s`;
}

function readDuration(text: string): number | undefined {
  const parts = /^(?<amount>(?:0|[1-9]\d{0,8})(?:\.\d{1,9})?)(?<unit>ms|s|m)?$/.exec(text)?.groups;
  if (parts === undefined) return undefined;
  const unitMs = { ms: 1, s: 1000, m: 60_000 }[parts.unit ?? "s"]!;
  const ms = Number(parts.amount) * unitMs;
  // less than a millisecond is not 0, which is for ever in some settings
  return ms > 0 && ms < 1 ? 1 : Math.round(ms);
}

/** A kind that is written as one text. */
function kind<T>(placeholder: string, expected: string, parse: (text: string, expected: string) => T): ValueKind<T> {
  return {
    placeholder,
    expected,
    read: (value) => {
      if (typeof value === "string") return parse(value, expected);
      throw new UnexpectedValueError(expected, describeValue(value));
    },
  };
}
