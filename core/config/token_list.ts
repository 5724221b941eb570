// The server's named tokens: the list `tokens` in its file, and what each of them may do. It never puts a token into a
// message.

import { ConfigError, quote } from "./config_error.ts";
import type { ConfigFile } from "./config_file.ts";
import { type PortRange, portRanges } from "./ranges.ts";
import type { SettingsList, ValuesOf } from "./setting.ts";
import { type Secrets, tokenOf } from "./token.ts";
import * as kinds from "./value_kind.ts";

/** A named token and its rules; `null` is a rule that there is not. */
export interface TokenConfig {
  /** Its name, which no other token of this server has: 1 to 64 letters, digits, `.`, `_` or `-`. */
  readonly name: string;
  /** The secret, 1 to 1024 bytes; no other token of this server has the same. */
  readonly token: string;
  /** The public ports that may be asked for, in rising order. */
  readonly ports: readonly PortRange[] | null;
  /** The most clients at a time. */
  readonly maxClients: number | null;
  /** The most tunnels at a time, of all clients with this token together. */
  readonly maxTunnels: number | null;
  /** The most connections at a time on all public ports of these tunnels together. */
  readonly maxConnections: number | null;
  /** The most connections at a time on the public port of one tunnel. */
  readonly maxConnectionsPerTunnel: number | null;
  /** The address that its public ports are opened on; `null` is the server's `publicBind`. */
  readonly publicBind: string | null;
}

/** The most named tokens: the proof of a client that logs in is compared with each. */
const MAX_TOKENS = 256;

/** The most connections that a rule can allow. */
const MOST_CONNECTIONS = 10_000_000;

/** The kind of the settings that limit connections. */
export const connectionCount: kinds.ValueKind<number> = kinds.wholeNumber(1, MOST_CONNECTIONS);

const settings = {
  name: {
    value: kinds.name,
    default: null,
    required: true,
    meaning: "Name of the token, in logs and in messages to its clients; every entry has one",
    example: "alice",
  },
  token: {
    value: kinds.token,
    default: null,
    meaning: "The token itself; every entry has token or token_file",
    example: "correct-horse-battery-staple",
  },
  token_file: {
    value: kinds.filePath,
    default: null,
    meaning: "File that holds the token; a relative path starts at the directory of the YAML file",
    example: "alice.token",
  },
  ports: {
    value: portRanges,
    default: null,
    defaultText: "any",
    meaning: "Public ports that a tunnel may ask for; a tunnel without a remote_port gets a free one of these",
    example: "[8000-8010, 9000]",
  },
  max_clients: {
    value: kinds.wholeNumber(1, 1_000_000),
    default: null,
    defaultText: "a quarter of the descriptors",
    meaning: "The most clients at a time that are logged in with this token",
    example: "3",
  },
  max_tunnels: {
    value: kinds.wholeNumber(0, 65535),
    default: null,
    defaultText: "no limit",
    meaning: "The most tunnels at a time, of all clients with this token together",
    example: "5",
  },
  max_connections: {
    value: connectionCount,
    default: null,
    defaultText: "no limit",
    meaning: "The most visitors at a time of all tunnels of this token together",
    example: "200",
  },
  max_connections_per_tunnel: {
    value: connectionCount,
    default: null,
    defaultText: "no limit",
    meaning: "The most visitors at a time of each tunnel of this token",
    example: "50",
  },
  public_bind: {
    value: kinds.host,
    default: null,
    defaultText: "that of the server",
    meaning: "Address that the public ports of this token's tunnels are opened on",
    example: "192.0.2.7",
  },
} as const;

const KEY = "tokens";

/** The list as its user sees it. */
export const TOKEN_LIST: SettingsList = { key: KEY, settings, asFlags: false };

/**
 * The named tokens of a file.
 *
 * @param unnamed The token that is in no list, or `null`.
 * @throws {ConfigError} If an entry has no token, or one that another has.
 */
export function namedTokens(file: ConfigFile | null, unnamed: string | null, secrets: Secrets): TokenConfig[] {
  const list = (file?.list ?? null) as ValuesOf<typeof settings>[] | null;
  if (file === null || list === null) return [];
  const mistake = (path: (string | number)[], expected: string) =>
    new ConfigError(`${file.placeOf([KEY, ...path])}: expected ${expected}`);
  // without a token the server would serve every client on its host
  if (list.length === 0) throw mistake([], "a token, got an empty list");
  if (list.length > MAX_TOKENS) throw mistake([], `at most ${MAX_TOKENS} tokens, got ${list.length}`);
  const names = new Set<string>();
  const tokens = new Set([unnamed]);
  return list.map((entry, i) => {
    const { name } = entry;
    if (names.has(name!)) throw mistake([i, "name"], `a name that no other token has, got ${quote(name!)} again`);
    names.add(name!);
    const token = tokenOf({
      ...entry,
      tokenFile: file.pathOf(entry.token_file),
      placeOf: (key) => file.placeOf([KEY, i, key]),
    }, secrets);
    if (token === null) throw mistake([i, "token"], "token or token_file, got neither");
    if (tokens.has(token)) {
      throw mistake([i, entry.token === null ? "token_file" : "token"], "a token that is no other's");
    }
    tokens.add(token);
    return {
      name: name!,
      token,
      ports: entry.ports,
      maxClients: entry.max_clients,
      maxTunnels: entry.max_tunnels,
      maxConnections: entry.max_connections,
      maxConnectionsPerTunnel: entry.max_connections_per_tunnel,
      publicBind: entry.public_bind,
    };
  });
}
