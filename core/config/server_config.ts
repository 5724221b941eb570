// The server's settings and their types. It knows how a user writes them and nothing of what the server does with them.

import type { LogFormat } from "../logging/log_line.ts";
import type { LogLevel } from "../reactor/log_record.ts";
import type { Program } from "./help.ts";
import { checkHeartbeats, gather, type Loaded } from "./load.ts";
import { addressRanges } from "./ranges.ts";
import { commonSettings } from "./setting.ts";
import type { Environment, ReadFile } from "./token.ts";
import { connectionCount, namedTokens, TOKEN_LIST, type TokenConfig } from "./token_list.ts";
import * as kinds from "./value_kind.ts";

/** The configuration of CProxyServer, checked and complete. */
export interface ServerConfig {
  /** The address of the ports for clients: IPv4, IPv6 without brackets, or a host name. */
  bind: string;
  /** The address of public ports, written as `bind` is. */
  publicBind: string;
  /** The port that clients log in to; 0 for any free one. May be the same as `proxyPort`; 0 for both are two ports. */
  ctlPort: number;
  /** The port that ProxyConns come in on; 0 for any free one. */
  proxyPort: number;
  /** The port that clients are told for ProxyConns, 1 to 65535, or `null` for that of `proxyPort`. */
  advertiseProxyPort: number | null;
  /** The number of relay Workers, 1 to 64. */
  workThreadNums: number;
  /**
   * The secret of clients that no rule limits, 1 to 1024 bytes, or `null`; with no other, clients on loopback are
   * served.
   */
  token: string | null;
  /** The named tokens and their rules. */
  tokens: TokenConfig[];
  /** The most connections at a time on all public ports together, or `null`. */
  maxConnections: number | null;
  /**
   * Address ranges from which PublicClients may connect to any public port, see {@linkcode addressRanges}; empty is
   * all.
   */
  publicAllow: string[];
  /** Address ranges from which PublicClients may not connect to any public port, even if `publicAllow` has them. */
  publicDeny: string[];
  /** How many idle ProxyConns are kept ready for each client, 0 to 1024. */
  poolCount: number;
  /** How many connections may be there that have not logged in, 1 to 65536. */
  maxUnauthenticated: number;
  /** How many strangers from one address, 1 to 65536. */
  maxUnauthenticatedPerAddress: number;
  /** How long the public ports of a client that was lost are kept for it, in ms; 0 for not at all. */
  portHoldMs: number;
  /** How long sessions may go on after the first signal, in ms. */
  drainTimeoutMs: number;
  /** What may wait in one direction of a connection, in bytes; `null` for what the kernel chooses. */
  bufferLimit: number | null;
  /** How long a half-closed session may stand still, in ms; 0 for ever. */
  halfCloseTimeoutMs: number;
  /** The time between two heartbeats on a ctl_conn, in ms. */
  heartbeatIntervalMs: number;
  /** How long a ctl_conn may be silent, in ms; longer than `heartbeatIntervalMs`. */
  heartbeatTimeoutMs: number;
  /** The least severe level that is logged. */
  logLevel: LogLevel;
  /** How log records are written. */
  logFormat: LogFormat;
}

const settings = {
  bind: {
    value: kinds.host,
    default: "0.0.0.0",
    meaning: "Address that the server listens on; also that of public ports, if there is no public_bind",
    example: "192.0.2.1",
  },
  public_bind: {
    value: kinds.host,
    default: null,
    defaultText: "that of bind",
    meaning: "Address that public ports are opened on",
    example: "192.0.2.7",
  },
  ctl_port: {
    value: kinds.port,
    default: "8080",
    meaning: "Port that clients log in to; 0 takes any free one",
    example: "7000",
  },
  proxy_port: {
    value: kinds.port,
    default: "8090",
    meaning: "Port that clients open data connections to; 0 takes any free one. It may be the same as ctl_port",
    example: "7001",
  },
  advertise_proxy_port: {
    value: kinds.wholeNumber(1, 65_535),
    default: null,
    defaultText: "that of proxy_port",
    meaning:
      "Port for data connections that clients are told, if another port is forwarded to proxy_port, as by Docker or a NAT",
    example: "17001",
  },
  public_allow: {
    value: addressRanges("all"),
    default: "all",
    meaning:
      "Visitors that may connect to public ports: addresses and CIDR ranges, in YAML [a, b], as a flag a,b. All others " +
      "are disconnected, even if a tunnel allows them",
    example: "198.51.100.0/24,2001:db8::/32",
  },
  public_deny: {
    value: addressRanges("none"),
    default: "none",
    meaning:
      "Visitors that may not connect to public ports, even if public_allow or a tunnel allows them; written like public_allow",
    example: "198.51.100.7",
  },
  pool_count: {
    value: kinds.wholeNumber(0, 1024),
    default: "4",
    meaning: "Idle data connections kept ready for each client",
    example: "16",
  },
  max_unauthenticated: {
    value: kinds.wholeNumber(1, 65_536),
    default: "1024",
    meaning:
      "The most connections that have not logged in yet, and never more than a quarter of the descriptors. One more " +
      "closes an old one",
    example: "4096",
  },
  max_unauthenticated_per_address: {
    value: kinds.wholeNumber(1, 65_536),
    default: "512",
    meaning: "The most connections from one IPv4 address or one IPv6 /64 network that have not logged in yet",
    example: "64",
  },
  max_connections: {
    value: connectionCount,
    default: null,
    defaultText: "no limit",
    meaning: "The most visitors at a time on all public ports together",
    example: "10000",
  },
  port_hold: {
    value: kinds.duration("0s", "1440m"),
    default: null,
    defaultText: "heartbeat_timeout and 35 s",
    meaning: "How long the public ports of a lost client are kept for its token; 0 keeps none",
    example: "5m",
  },
  ...commonSettings,
} as const;

/**
 * Ms by which ports are kept longer than a client may be silent: what a client waits for at most between two attempts, and
 * some.
 */
const HOLD_BEYOND_SILENCE_MS = 35_000;

const program = {
  name: "cproxy-server",
  summary: "makes services in private networks reachable on public ports of this host",
  settings,
  list: TOKEN_LIST,
  examples: ["cproxy-server --token_file=token", "cproxy-server --config=server.yaml --log_level=debug"],
};

/** The server as its user sees it. */
export const SERVER_PROGRAM: Program = program;

/**
 * Reads the server's configuration.
 *
 * @param args The command line without the program's name.
 * @throws {ConfigError} On the first mistake of the user, in one line.
 */
export function loadServerConfig(args: string[], env: Environment, readFile: ReadFile): Loaded<ServerConfig> {
  const gathered = gather(program, args, env, readFile);
  if (gathered.kind !== "run") return gathered;
  const { values, token, file, placeOf, secrets } = gathered;
  checkHeartbeats(values.heartbeat_interval, values.heartbeat_timeout, placeOf);
  const config = {
    bind: values.bind,
    publicBind: values.public_bind ?? values.bind,
    ctlPort: values.ctl_port,
    proxyPort: values.proxy_port,
    advertiseProxyPort: values.advertise_proxy_port,
    workThreadNums: values.work_thread_nums,
    token,
    tokens: namedTokens(file, token, secrets),
    maxConnections: values.max_connections,
    publicAllow: values.public_allow,
    publicDeny: values.public_deny,
    poolCount: values.pool_count,
    maxUnauthenticated: values.max_unauthenticated,
    maxUnauthenticatedPerAddress: values.max_unauthenticated_per_address,
    portHoldMs: values.port_hold ?? values.heartbeat_timeout + HOLD_BEYOND_SILENCE_MS,
    drainTimeoutMs: values.drain_timeout,
    bufferLimit: values.buffer_limit === null ? null : values.buffer_limit * 1024,
    halfCloseTimeoutMs: values.half_close_timeout,
    heartbeatIntervalMs: values.heartbeat_interval,
    heartbeatTimeoutMs: values.heartbeat_timeout,
    logLevel: values.log_level,
    logFormat: values.log_format,
  };
  return { kind: "run", config, secretFiles: gathered.secretFiles, warnings: gathered.warnings };
}
