// The client's supervisor, in the main isolate: it resolves host names, starts the Workers, and ends the program.
import { raiseDescriptorLimit } from "../../ffi/process.ts";
import { resolveHost } from "../../ffi/resolve.ts";
import { type SocketAddress, unixAddress } from "../../ffi/socket_address.ts";
import type { ClientConfig } from "../config/client_config.ts";
import { type Endpoint, formatEndpoint } from "../config/endpoint.ts";
import { VERSION } from "../config/version.ts";
import { log } from "../logging/logging.ts";
import type { WorkerSpec } from "../reactor/worker_group.ts";
import { relayCounters } from "../relay/counters.ts";
import { Program } from "../supervisor/program.ts";
import {
  CONTROL,
  type ControlConfig,
  FIRST_RELAY,
  type RelayConfig,
  type Resolved,
  type ResolveReport,
} from "./worker_config.ts";

/**
 * Runs the client until a signal ends the process.
 *
 * @param config The configuration.
 */
export async function runClient(config: ClientConfig): Promise<void> {
  raiseDescriptorLimit();
  const relays = Array.from({ length: config.workThreadNums }, (_, index) => FIRST_RELAY + index);
  const counters = relayCounters(relays.length);
  const program = new Program({
    name: "cproxy-client",
    logLevel: config.logLevel,
    drainTimeoutMs: config.drainTimeoutMs,
    relays,
    counters,
    workers: [
      {
        name: "control",
        module: new URL("./control_worker.ts", import.meta.url),
        config: controlConfig(config),
        hears: relays,
      },
      ...relays.map((_, index): WorkerSpec => ({
        name: `relay-${index}`,
        module: new URL("./relay_worker.ts", import.meta.url),
        config: { index, relays: relays.length, counters: counters.memory } satisfies RelayConfig,
        hears: [CONTROL],
      })),
    ],
    onReport(_worker, report) {
      if ((report as ResolveReport).kind !== "resolve") throw new Error("A Worker reports something unknown");
      void resolveAll(config).then((resolved) => {
        // the control Worker last: what it then tells the others refers to these addresses
        for (const relay of relays) program.post(relay, resolved);
        program.post(CONTROL, resolved);
      });
    },
  });
  await program.ready();
}

function controlConfig(config: ClientConfig): ControlConfig {
  return {
    server: formatEndpoint(config.cproxyServer),
    serverHost: config.cproxyServer.host,
    program: `cproxy-client ${VERSION}`,
    tunnels: config.tunnels.map(({ name, remotePort, allow, deny, localServer }) => ({
      name,
      remotePort,
      allow,
      deny,
      local: formatEndpoint(localServer),
    })),
    relays: config.workThreadNums,
    token: config.token,
    heartbeatIntervalMs: config.heartbeatIntervalMs,
    heartbeatTimeoutMs: config.heartbeatTimeoutMs,
  };
}

async function resolveAll(config: ClientConfig): Promise<Resolved> {
  const locals = await Promise.all(config.tunnels.map(async ({ name, localServer }) => {
    try {
      return await addressesOf(localServer);
    } catch (error) {
      log("warning", "LocalServer cannot be resolved", { name, reason: (error as Error).message });
      return [];
    }
  }));
  try {
    return { server: await addressesOf(config.cproxyServer), reason: "", locals };
  } catch (error) {
    return { server: [], reason: (error as Error).message, locals };
  }
}

async function addressesOf(endpoint: Endpoint): Promise<SocketAddress[]> {
  if (endpoint.kind === "unix") return [unixAddress(endpoint.path)];
  return await resolveHost(endpoint.host, endpoint.port);
}
