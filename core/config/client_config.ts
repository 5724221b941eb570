// The client's settings and their types. It knows how a user writes them and nothing of what the client does with them.

import type { LogFormat } from "../logging/log_line.ts";
import type { LogLevel } from "../reactor/log_record.ts";
import { ConfigError, quote } from "./config_error.ts";
import type { ConfigFile } from "./config_file.ts";
import type { Endpoint, TcpEndpoint } from "./endpoint.ts";
import type { Program } from "./help.ts";
import { checkHeartbeats, gather, type Loaded } from "./load.ts";
import { addressRanges } from "./ranges.ts";
import { commonSettings, type ValuesOf } from "./setting.ts";
import type { Environment, ReadFile } from "./token.ts";
import * as kinds from "./value_kind.ts";

/** One service that the client makes reachable. */
export interface TunnelConfig {
  /** Its name, which no other tunnel of this client has: 1 to 64 letters, digits, `.`, `_` or `-`. */
  name: string;
  /** Where the service listens. */
  localServer: Endpoint;
  /** The public port to ask the server for; 0 leaves the choice to the server. */
  remotePort: number;
  /** Address ranges from which PublicClients may connect, see {@linkcode addressRanges}; empty is all. */
  allow: string[];
  /** Address ranges from which PublicClients may not connect, even if `allow` has them. */
  deny: string[];
}

/** The configuration of CProxyClient, checked and complete. */
export interface ClientConfig {
  /** The ctl_port of the server; its host name, if it is one, is to be resolved at every connection. */
  cproxyServer: TcpEndpoint;
  /** Where ProxyConns go; `null` for the server's own host, and the port that it says. */
  proxyServer: TcpEndpoint | null;
  /** The tunnels, at least one, with different names and different public ports. */
  tunnels: TunnelConfig[];
  /** The number of relay Workers, 1 to 64. */
  workThreadNums: number;
  /** The secret shared with the server, 1 to 1024 bytes, or `null`. */
  token: string | null;
  /** How long sessions may go on after the first signal, in ms. */
  drainTimeoutMs: number;
  /** What may wait in one direction of a connection, in bytes; `null` for what the kernel chooses. */
  bufferLimit: number | null;
  /** How long a half-closed session may stand still, in ms; 0 for ever. */
  halfCloseTimeoutMs: number;
  /** The time between two heartbeats on the ctl_conn, in ms. */
  heartbeatIntervalMs: number;
  /** How long the ctl_conn may be silent, in ms; longer than `heartbeatIntervalMs`. */
  heartbeatTimeoutMs: number;
  /** The least severe level that is logged. */
  logLevel: LogLevel;
  /** How log records are written. */
  logFormat: LogFormat;
}

const LIST_KEY = "tunnels";

/** The most tunnels of one client: they travel as numbers of 16 bits, from 1. */
const MAX_TUNNELS = 65_535;

const settings = {
  cproxy_server: {
    value: kinds.tcpEndpoint,
    default: "127.0.0.1:8080",
    meaning: "Address and ctl_port of the server",
    example: "tunnel.example:8080",
  },
  proxy_server: {
    value: kinds.tcpEndpoint,
    default: null,
    defaultText: "the host of cproxy_server, and the port that the server says",
    meaning: "Address and proxy_port of the server, if data connections take another way than the login",
    example: "data.example:17001",
  },
  ...commonSettings,
} as const;

const tunnelSettings = {
  local_server: {
    value: kinds.endpoint,
    default: null,
    required: true,
    meaning: "Local service to make reachable",
    example: "127.0.0.1:7777",
  },
  remote_port: {
    value: kinds.port,
    default: "0",
    meaning: "Public port to ask the server for; with 0 the server picks one, and the client logs it",
    example: "9000",
  },
  name: {
    value: kinds.name,
    default: "default",
    meaning: "Name of the tunnel in logs",
    example: "web",
  },
  allow: {
    value: addressRanges("all"),
    default: "all",
    meaning:
      "Visitors that may connect: addresses and CIDR ranges, in YAML [a, b], as a flag a,b. All others are disconnected",
    example: "198.51.100.0/24,2001:db8::/32",
  },
  deny: {
    value: addressRanges("none"),
    default: "none",
    meaning: "Visitors that may not connect, even if allow has them; written like allow",
    example: "198.51.100.7",
  },
} as const;

/** A tunnel as a table of settings stands for it. */
type TunnelValues = ValuesOf<typeof tunnelSettings>;

const program = {
  name: "cproxy-client",
  summary: "makes services that this host can reach available on public ports of a cproxy-server",
  settings,
  list: { key: LIST_KEY, settings: tunnelSettings, asFlags: true },
  examples: [
    "cproxy-client --cproxy_server=tunnel.example:8080 --local_server=127.0.0.1:7777 --remote_port=9000",
    "cproxy-client --local_server=unix:/run/app.sock --token_file=token",
    "cproxy-client --config=client.yaml",
  ],
};

/** The client as its user sees it. */
export const CLIENT_PROGRAM: Program = program;

/**
 * Reads the client's configuration.
 *
 * @param args The command line without the program's name.
 * @throws {ConfigError} On the first mistake of the user, in one line.
 */
export function loadClientConfig(args: string[], env: Environment, readFile: ReadFile): Loaded<ClientConfig> {
  const gathered = gather(program, args, env, readFile);
  if (gathered.kind !== "run") return gathered;
  const { values, token, listFlags, file, placeOf } = gathered;
  checkHeartbeats(values.heartbeat_interval, values.heartbeat_timeout, placeOf);
  const config = {
    cproxyServer: values.cproxy_server,
    proxyServer: values.proxy_server,
    tunnels: tunnelOfFlags(listFlags) ?? tunnelsOfFile(file),
    workThreadNums: values.work_thread_nums,
    token,
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

/** The tunnel of the command line, which takes the place of the tunnels in the file; `null` if there is none. */
function tunnelOfFlags(flags: Partial<TunnelValues>): TunnelConfig[] | null {
  const { local_server } = flags;
  if (local_server) {
    return [{
      name: flags.name ?? tunnelSettings.name.default,
      localServer: local_server,
      remotePort: flags.remote_port ?? Number(tunnelSettings.remote_port.default),
      allow: flags.allow ?? [],
      deny: flags.deny ?? [],
    }];
  }
  const stray = Object.keys(flags)[0];
  if (stray === undefined) return null;
  throw new ConfigError(`--${stray}: expected --local_server beside it, as in --local_server=127.0.0.1:7777`);
}

function tunnelsOfFile(file: ConfigFile | null): TunnelConfig[] {
  const list = (file?.list ?? null) as TunnelValues[] | null;
  if (file === null || list === null) {
    const place = file === null ? "" : `${file.path}: `;
    throw new ConfigError(`${place}No tunnel, expected --local_server=127.0.0.1:7777 or a YAML file with ${LIST_KEY}`);
  }
  if (list.length === 0) throw new ConfigError(`${file.placeOf([LIST_KEY])}: expected a tunnel, got an empty list`);
  if (list.length > MAX_TUNNELS) {
    throw new ConfigError(`${file.placeOf([LIST_KEY])}: expected at most ${MAX_TUNNELS} tunnels, got ${list.length}`);
  }
  const names = new Set<string>();
  const ports = new Set<number>();
  list.forEach(({ name, remote_port: port }, i) => {
    if (names.has(name)) {
      const place = file.placeOf([LIST_KEY, i, "name"]);
      throw new ConfigError(`${place}: expected a name that no other tunnel has, got ${quote(name)} again`);
    }
    if (port !== 0 && ports.has(port)) {
      const place = file.placeOf([LIST_KEY, i, "remote_port"]);
      throw new ConfigError(`${place}: expected a port that no other tunnel has, got ${port} again`);
    }
    names.add(name);
    ports.add(port);
  });
  return list.map(({ name, local_server, remote_port, allow, deny }) => ({
    name,
    localServer: local_server!,
    remotePort: remote_port,
    allow,
    deny,
  }));
}
