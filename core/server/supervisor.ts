// The server's supervisor, in the main isolate: it opens the two ports, starts the Workers, and ends the program.
import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { resolveHost } from "../../ffi/resolve.ts";
import { listenOn, localAddress } from "../../ffi/socket.ts";
import { formatAddress, ipOf, portOf, type SocketAddress, withPort } from "../../ffi/socket_address.ts";
import type { ServerConfig } from "../config/server_config.ts";
import { log } from "../logging/logging.ts";
import type { WorkerSpec } from "../reactor/worker_group.ts";
import { RelayCounters } from "../relay/counters.ts";
import { takeDescriptors } from "../supervisor/descriptors.ts";
import { Program, StartError } from "../supervisor/program.ts";
import { ClientLoads } from "./client_loads.ts";
import { ConnectionCounts } from "./connection_counts.ts";
import { type Grant, grantsOf } from "./policy/grant.ts";
import type { ShareRules } from "./token_shares.ts";
import { WaitingRoom } from "./waiting_room.ts";
import {
  ACCEPTOR,
  type AcceptorConfig,
  CONTROL,
  type ControlConfig,
  FIRST_RELAY,
  MOST_TUNNELS,
  type PortRules,
  type RelayConfig,
} from "./worker_config.ts";

/** Descriptors that a client needs to be of use: a ctl_conn, a public port, a visitor and its ProxyConn. */
const PER_CLIENT = 4;
/** Strangers may hold one descriptor in so many. */
const STRANGERS_SHARE = 4;

/**
 * Runs the server until a signal ends the process.
 *
 * @param config The configuration.
 * @throws {StartError} When a port cannot be opened or the bind address is not one of this host.
 */
export async function runServer(config: ServerConfig): Promise<void> {
  const relays = config.workThreadNums;
  const { limit, connections, full, pipes } = takeDescriptors(FIRST_RELAY + relays, relays);
  const bind = await resolveBind(config.bind);
  const grants = grantsOf(config, Math.max(1, Math.floor(connections / PER_CLIENT)));
  const counts = new ConnectionCounts(grants.length).memory;
  const ctlListener = openListener(withPort(bind, config.ctlPort), "ctl_port");
  // one port may be both
  const isOne = config.ctlPort === config.proxyPort && config.ctlPort !== 0;
  const proxyListener = isOne ? ctlListener : openListener(withPort(bind, config.proxyPort), "proxy_port");
  // after the two ports, which find a mistake in bind by its own name
  const rules = await Promise.all(grants.map(portRules));
  const ctlAddress = localAddress(ctlListener)!;
  const proxyAddress = localAddress(proxyListener)!;
  const counters = new RelayCounters(relays, MOST_TUNNELS);
  const waitingRoom = new WaitingRoom(relays).memory;
  const loads = new ClientLoads().memory;
  const { poolCount } = config;
  const shares: ShareRules = {
    descriptors: connections,
    maxConnections: grants.map(({ maxConnections }) => maxConnections),
    poolCount,
  };
  const program = new Program({
    name: "cproxy-server",
    logLevel: config.logLevel,
    drainTimeoutMs: config.drainTimeoutMs,
    relays: relayNumbers(relays),
    counters,
    workers: [
      {
        name: "control",
        module: new URL("./control/control_worker.ts", import.meta.url),
        config: {
          bufferLimit: config.bufferLimit,
          ctlListener,
          proxyListener,
          ctlPort: portOf(ctlAddress),
          proxyPort: portOf(proxyAddress),
          toldProxyPort: config.advertiseProxyPort ?? portOf(proxyAddress),
          relays,
          counters: counters.memory,
          counts,
          shares,
          grants,
          maxUnauthenticated: Math.min(config.maxUnauthenticated, mostStrangers(limit)),
          maxUnauthenticatedPerAddress: config.maxUnauthenticatedPerAddress,
          heartbeatIntervalMs: config.heartbeatIntervalMs,
          heartbeatTimeoutMs: config.heartbeatTimeoutMs,
          portHoldMs: config.portHoldMs,
        } satisfies ControlConfig,
        hears: [ACCEPTOR, ...relayNumbers(relays)],
      },
      {
        name: "acceptor",
        module: new URL("./acceptor/acceptor_worker.ts", import.meta.url),
        config: {
          bufferLimit: config.bufferLimit,
          rules,
          maxConnections: config.maxConnections,
          counts,
          shares,
          allow: config.publicAllow,
          deny: config.publicDeny,
          relays,
          poolCount,
          loads,
          full,
          waitingRoom,
        } satisfies AcceptorConfig,
        hears: [CONTROL],
      },
      ...relayNumbers(relays).map((_, index): WorkerSpec => ({
        name: `relay-${index}`,
        module: new URL("./relay/relay_worker.ts", import.meta.url),
        config: {
          index,
          relays,
          counters: counters.memory,
          bufferLimit: config.bufferLimit,
          halfCloseTimeoutMs: config.halfCloseTimeoutMs,
          grants: grants.length,
          counts,
          shares,
          poolCount,
          loads,
          pipes,
          waitingRoom,
        } satisfies RelayConfig,
        // what the control Worker said about a client comes before the client's connections
        hears: [CONTROL, ACCEPTOR],
      })),
    ],
  });
  await program.ready();
  log("info", "Server is ready", {
    ctl: formatAddress(ctlAddress),
    proxy: formatAddress(proxyAddress),
    workers: relays,
    descriptors: limit,
  });
  if (grants[0].token === null) warnOpenServer();
}

/** What the descriptors allow; a negated errno counts as the customary 1024. */
function mostStrangers(limit: number): number {
  return Math.max(1, Math.floor((limit > 0 ? limit : 1024) / STRANGERS_SHARE));
}

function relayNumbers(relays: number): number[] {
  return Array.from({ length: relays }, (_, index) => FIRST_RELAY + index);
}

function warnOpenServer(): void {
  log("warning", "There is no token: only clients on this host are served", {
    note: "a web server or ssh -L that forwards to loopback counts as this host; a token keeps its users out",
  });
}

async function resolveBind(host: string): Promise<SocketAddress> {
  try {
    return (await resolveHost(host, 0))[0];
  } catch (error) {
    throw new StartError((error as Error).message);
  }
}

/** Finds out at start, and not with the first tunnel, whether ports can be opened on the address of a grant. */
async function portRules({ bind: host, ...rules }: Grant): Promise<PortRules> {
  const bind = await resolveBind(host);
  close(openListener(bind, "public_bind"));
  const { name, maxTunnels, maxConnections, maxConnectionsPerTunnel } = rules;
  return { name, bind, maxTunnels, maxConnections, maxConnectionsPerTunnel };
}

function openListener(address: SocketAddress, setting: string): Descriptor {
  const fd = listenOn(address);
  if (fd >= 0) return fd as Descriptor;
  // whatever port is free is no port to name
  const where = portOf(address) === 0 ? setting : `${setting} ${portOf(address)}`;
  const shown = portOf(address) === 0 ? ipOf(address) : formatAddress(address);
  switch (-fd) {
    case Errno.EADDRINUSE:
      throw new StartError(`The ${where} is in use by another program (${shown})`);
    case Errno.EACCES:
      throw new StartError(`The ${where} may not be opened by this user (${shown})`);
    case Errno.EADDRNOTAVAIL:
      throw new StartError(`Cannot open ${where}: ${ipOf(address)} is not an address of this host`);
    default:
      throw new StartError(`Cannot open ${where}: ${errnoWords(-fd)} (${shown})`);
  }
}
