// Addresses as a user writes them, and as the program keeps them. It never resolves a name and opens no socket.

import { internetAddress, MAX_UNIX_PATH_BYTES } from "../../ffi/socket_address.ts";
import { quote, UnexpectedValueError } from "./config_error.ts";

/**
 * A TCP address; `host` is an IPv4 address, an IPv6 address without brackets but with its zone, or a host name; `port`
 * is 0 to 65535.
 */
export type TcpEndpoint = { kind: "tcp"; host: string; port: number };

/** A Unix stream socket: the path of its file, or `@` and an abstract name (unix(7)); at most 107 bytes. */
export type UnixEndpoint = { kind: "unix"; path: string };

/** Where to connect to. */
export type Endpoint = TcpEndpoint | UnixEndpoint;

const TCP_EXPECTED = "host:port such as 127.0.0.1:8080, [::1]:8080 or name.example:8080";
const ANY_EXPECTED = "host:port such as 127.0.0.1:7777, [::1]:7777 or name.example:7777, or unix:/path/to.sock";
const HOST_EXPECTED = "an IPv4 address, an IPv6 address or a host name";

/**
 * Reads `host:port` and, if `allowUnix` is set, `unix:/path`. The port is 1 to 65535.
 *
 * @throws {UnexpectedValueError} If the text is not an address; the message says what would be right.
 */
export function parseEndpoint(text: string, options: { allowUnix: false }): TcpEndpoint;
/**
 * Reads `host:port` and, if `allowUnix` is set, `unix:/path`. The port is 1 to 65535.
 *
 * @throws {UnexpectedValueError} If the text is not an address; the message says what would be right.
 */
export function parseEndpoint(text: string, options: { allowUnix: boolean }): Endpoint;
/**
 * Reads `host:port` and, if `allowUnix` is set, `unix:/path`. The port is 1 to 65535.
 *
 * @throws {UnexpectedValueError} If the text is not an address; the message says what would be right.
 */
export function parseEndpoint(text: string, options: { allowUnix: boolean }): Endpoint {
  if (text.startsWith("unix:")) {
    if (!options.allowUnix) throw new UnexpectedValueError(`${TCP_EXPECTED} (no Unix socket here)`, quote(text));
    return parseUnixEndpoint(text);
  }
  const expected = options.allowUnix ? ANY_EXPECTED : TCP_EXPECTED;
  const parts = /^(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:[\]]*)):(?<port>[^:]*)$/.exec(text)?.groups;
  if (parts === undefined) {
    const hint = isIpv6(text) || isIpv6(text.replace(/:\d+$/, "")) ? " (IPv6 in brackets)" : "";
    throw new UnexpectedValueError(expected + hint, quote(text));
  }
  const host = parts.bracketed === undefined ? readName(parts.plain!) : readIpv6(parts.bracketed);
  if (host === null) throw new UnexpectedValueError(expected, quote(text));
  const port = readPort(parts.port, 1);
  if (port === undefined) throw new UnexpectedValueError(`${expected}, with a port from 1 to 65535`, quote(text));
  return { kind: "tcp", host, port };
}

/** Writes an endpoint the way {@linkcode parseEndpoint} reads it. */
export function formatEndpoint(endpoint: Endpoint): string {
  switch (endpoint.kind) {
    case "tcp":
      return endpoint.host.includes(":") ? `[${endpoint.host}]:${endpoint.port}` : `${endpoint.host}:${endpoint.port}`;
    case "unix":
      return `unix:${endpoint.path}`;
    default:
      return endpoint satisfies never;
  }
}

/**
 * Reads a port, from `lowest` (0 where it means "any free port", otherwise 1) to 65535.
 *
 * @throws {UnexpectedValueError} If it is none.
 */
export function parsePort(text: string, lowest: 0 | 1): number {
  const port = readPort(text, lowest);
  if (port === undefined) throw new UnexpectedValueError(`a port from ${lowest} to 65535`, quote(text));
  return port;
}

/**
 * Reads an address to listen on: IPv4, IPv6 with or without brackets, or a host name. Gives it without brackets.
 *
 * @throws {UnexpectedValueError} If it is none of them.
 */
export function parseHost(text: string): string {
  const inBrackets = /^\[(.*)\]$/.exec(text)?.[1];
  const host = readIpv6(inBrackets ?? text) ?? (inBrackets === undefined ? readName(text) : null);
  if (host === null) throw new UnexpectedValueError(HOST_EXPECTED, quote(text));
  return host;
}

function parseUnixEndpoint(text: string): UnixEndpoint {
  const path = text.slice("unix:".length);
  if (path === "" || path === "@" || path.includes("\0")) {
    throw new UnexpectedValueError("unix:/path/to.sock or unix:@abstract-name", quote(text));
  }
  // A shell writes the home directory for ~ at the start of a word, and here it is not there.
  if (path.startsWith("~")) throw new UnexpectedValueError("unix:/home/... (~ is not expanded)", quote(text));
  const bytes = new TextEncoder().encode(path).length;
  if (bytes > MAX_UNIX_PATH_BYTES) {
    throw new UnexpectedValueError(
      `a Unix socket path of at most ${MAX_UNIX_PATH_BYTES} bytes`,
      `${bytes} bytes in ${quote(text)}`,
    );
  }
  return { kind: "unix", path };
}

/**
 * An IPv6 address as it stands there, with its zone if it has one; null when it is none.
 *
 * @throws {UnexpectedValueError} When it is link-local and has no zone, or has one and is not link-local.
 */
function readIpv6(text: string): string | null {
  const [, ip, zone] = /^([^%]*)(%[^\s/%]{1,15})?$/.exec(text) ?? [];
  if (ip === undefined || !isIpv6(ip)) return null;
  // fe80::/10; without a zone the kernel does not know which interface is meant (RFC 4007)
  const isLinkLocal = /^fe[89ab][0-9a-f]:/i.test(ip);
  if (isLinkLocal && zone === undefined) {
    throw new UnexpectedValueError(`a link-local address with its interface, such as ${ip}%eth0`, quote(text));
  }
  if (!isLinkLocal && zone !== undefined) {
    throw new UnexpectedValueError(`${ip} without an interface, as only a link-local address has one`, quote(text));
  }
  return text;
}

function readPort(text: string | undefined, lowest: number): number | undefined {
  if (text === undefined || !/^(?:0|[1-9]\d{0,4})$/.test(text)) return undefined;
  const port = Number(text);
  return port >= lowest && port <= 65535 ? port : undefined;
}

/** Whether a text is a numeric address, IPv6 without brackets or zone: whether the kernel's own reader takes it. */
function isNumeric(text: string): boolean {
  return /^[0-9a-fA-F:.]+$/.test(text) && internetAddress(text, 0) !== null;
}

function isIpv6(text: string): boolean {
  return text.includes(":") && isNumeric(text);
}

/**
 * An IPv4 address or a host name as the resolver takes it, where `b\u00fccher.example` is `xn--bcher-kva.example`; or
 * `null`.
 */
function readName(text: string): string | null {
  if ((isNumeric(text) && !text.includes(":")) || isHostName(text)) return text;
  // no more than letters: the URL parser would also turn other digits and dots into ASCII ones
  if (!/^[\p{L}\p{M}\w.-]+$/u.test(text) || !URL.canParse(`http://${text}/`)) return null;
  const name = new URL(`http://${text}/`).hostname;
  return /(?:^|\.)xn--/.test(name) && isHostName(name) ? name : null;
}

function isHostName(text: string): boolean {
  const labels = text.replace(/\.$/, "").split(".");
  // A name that ends in a number is a mistyped IPv4 address (URL standard, "ends in a number").
  return text.length <= 253 && !/^\d+$/.test(labels.at(-1)!) &&
    labels.every((label) => /^(?![-])[A-Za-z0-9_-]{1,63}$/.test(label) && !label.endsWith("-"));
}
