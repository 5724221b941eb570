// The client's supervisor, in the main isolate: it resolves host names, starts the Workers, and ends the program.
import { raiseDescriptorLimit } from "../../ffi/process.ts";
import { resolveHost } from "../../ffi/resolve.ts";
import { unixAddress } from "../../ffi/socket_address.ts";
import type { ClientConfig } from "../config/client_config.ts";
import { type Endpoint, formatEndpoint } from "../config/endpoint.ts";
import { VERSION } from "../config/version.ts";
import { log } from "../logging/logging.ts";
import type { WorkerSpec } from "../reactor/worker_group.ts";
import { RelayCounters } from "../relay/counters.ts";
import { shareDescriptors } from "../relay/descriptor_share.ts";
import { Program } from "../supervisor/program.ts";
import { RememberedName } from "./remembered_name.ts";
import {
  CONTROL,
  type ControlConfig,
  FIRST_RELAY,
  type RelayConfig,
  type Resolved,
  resolvedMessage,
  type ResolveReport,
} from "./worker_config.ts";

/**
 * Runs the client until a signal ends the process.
 *
 * @param config The configuration.
 */
export async function runClient(config: ClientConfig): Promise<void> {
  const limit = raiseDescriptorLimit();
  const relays = Array.from({ length: config.workThreadNums }, (_, index) => FIRST_RELAY + index);
  const tunnels = config.tunnels.length;
  const counters = new RelayCounters(relays.length, tunnels + 1);
  const names = new Names(config);
  const { connections, pipes } = shareDescriptors(limit, FIRST_RELAY + relays.length, relays.length);
  const program = new Program({
    name: "cproxy-client",
    logLevel: config.logLevel,
    drainTimeoutMs: config.drainTimeoutMs,
    relays,
    counters,
    workers: [
      {
        name: "control",
        module: new URL("./control/control_worker.ts", import.meta.url),
        config: controlConfig(config),
        hears: relays,
      },
      ...relays.map((_, index): WorkerSpec => ({
        name: `relay-${index}`,
        module: new URL("./relay/relay_worker.ts", import.meta.url),
        config: {
          index,
          relays: relays.length,
          tunnels,
          counters: counters.memory,
          halfCloseTimeoutMs: config.halfCloseTimeoutMs,
          pipes,
          proxyConns: Math.max(1, Math.floor(connections / 2 / relays.length)),
        } satisfies RelayConfig,
        hears: [CONTROL],
      })),
    ],
    onReport(_worker, report) {
      if ((report as ResolveReport).kind !== "resolve") throw new Error("A Worker reports something unknown");
      void names.ask().then((resolved) => {
        const message = resolvedMessage(resolved);
        // the control Worker last: what it then tells the others refers to these addresses
        for (const worker of [...relays, CONTROL]) program.post(worker, message);
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

/** All host names that the client has. */
class Names {
  readonly #server: RememberedName;
  readonly #locals: readonly { readonly tunnel: string; readonly name: RememberedName }[];
  /** Why the LocalServers' names did not resolve, as it was logged last. */
  readonly #logged = new Map<string, string>();

  constructor(config: ClientConfig) {
    this.#server = nameOf(config.cproxyServer);
    this.#locals = config.tunnels.map(({ name, localServer }) => ({ tunnel: name, name: nameOf(localServer) }));
  }

  async ask(): Promise<Resolved> {
    const server = this.#server.ask();
    const locals = await Promise.all(this.#locals.map(async ({ tunnel, name }) => {
      const { addresses, reason } = await name.ask();
      // it is asked for at every attempt to reach the server
      if (addresses.length === 0 && reason !== this.#logged.get(tunnel)) {
        log("warning", "LocalServer cannot be resolved", { name: tunnel, reason });
      }
      this.#logged.set(tunnel, reason);
      return addresses;
    }));
    const { addresses, reason, answered } = await server;
    return { server: addresses, reason, answered, locals };
  }
}

function nameOf(endpoint: Endpoint): RememberedName {
  return new RememberedName(async () => {
    if (endpoint.kind === "unix") return [unixAddress(endpoint.path)];
    return await resolveHost(endpoint.host, endpoint.port);
  });
}
