// The client's supervisor, in the main isolate: it resolves host names, starts the Workers, and ends the program.
import type { ClientConfig } from "../config/client_config.ts";
import { formatEndpoint } from "../config/endpoint.ts";
import { VERSION } from "../config/help.ts";
import { log } from "../logging/logging.ts";
import type { WorkerSpec } from "../reactor/worker_group.ts";
import { RelayCounters } from "../relay/counters.ts";
import { takeDescriptors } from "../supervisor/descriptors.ts";
import { Program } from "../supervisor/program.ts";
import { fixedAddresses, Names } from "./names.ts";
import { allocateLoopTable } from "./loop_table.ts";
import type { Meaning } from "./remembered_name.ts";
import {
  allocateLineMinutes,
  CONTROL,
  type ControlConfig,
  FIRST_RELAY,
  type LocalConfig,
  postedAddresses,
  type RelayConfig,
  type ResolvedMessage,
  type ResolveReport,
} from "./worker_config.ts";

/**
 * Runs the client until a signal ends the process.
 *
 * @param config The configuration.
 */
export async function runClient(config: ClientConfig): Promise<void> {
  const relays = Array.from({ length: config.workThreadNums }, (_, index) => FIRST_RELAY + index);
  const locals = config.tunnels.map(({ name, localServer }): LocalConfig => {
    const addresses = fixedAddresses(localServer);
    return { name, local: formatEndpoint(localServer), fixed: addresses === null ? null : postedAddresses(addresses) };
  });
  warnOfAbsentSockets(config);
  const counters = new RelayCounters(relays.length, locals.length + 1);
  const loopTable = allocateLoopTable();
  const lineMinutes = allocateLineMinutes(config.tunnels.length);
  const names = new Names(config);
  const { connections, pipes } = takeDescriptors(FIRST_RELAY + relays.length, relays.length);
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
        hears: [],
      },
      ...relays.map((_, index): WorkerSpec => ({
        name: `relay-${index}`,
        module: new URL("./relay/relay_worker.ts", import.meta.url),
        config: {
          index,
          relays: relays.length,
          locals,
          counters: counters.memory,
          loopTable,
          lineMinutes,
          bufferLimit: config.bufferLimit,
          halfCloseTimeoutMs: config.halfCloseTimeoutMs,
          pipes,
          proxyConns: Math.max(1, Math.floor(connections / 2 / relays.length)),
        } satisfies RelayConfig,
        hears: [CONTROL],
      })),
    ],
    onReport(_worker, report) {
      const asked = report as ResolveReport;
      switch (asked.kind) {
        case "resolve-server":
          return void answerServer();
        case "resolve-local":
          return void names.local(asked.tunnel).then((meaning) => answer(asked.tunnel, meaning, relays));
        default:
          asked satisfies never;
          throw new Error("A Worker reports something unknown");
      }
    },
  });
  const answer = (kind: ResolvedMessage["kind"], meaning: Meaning, workers: readonly number[]) => {
    const message: ResolvedMessage = { ...meaning, kind, addresses: postedAddresses(meaning.addresses) };
    for (const worker of workers) program.post(worker, message);
  };
  const answerServer = async () => {
    const [server, proxyServer] = await Promise.all([names.server(), names.proxyServer()]);
    if (proxyServer !== null) answer("proxy-server", proxyServer, relays);
    // without an address for data the client can serve no visitor
    const unknown = proxyServer !== null && proxyServer.addresses.length === 0;
    const meaning = unknown ? { ...proxyServer, reason: `proxy_server: ${proxyServer.reason}` } : server;
    // the control Worker last: what it then tells the others refers to these addresses
    answer("server", meaning, [...relays, CONTROL]);
  };
  void names.check((tunnel, reason) => {
    const { name, localServer } = config.tunnels[tunnel];
    log("warning", "Local service cannot be resolved", { name, local: formatEndpoint(localServer), reason });
  });
  await program.ready();
}

/** Warns of services whose socket is not there: they may come later, or the path is wrong. */
function warnOfAbsentSockets({ tunnels }: ClientConfig): void {
  for (const { name, localServer: local } of tunnels) {
    if (local.kind !== "unix" || local.path.startsWith("@")) continue;
    try {
      Deno.statSync(local.path);
    } catch (error) {
      // a folder that may not be looked into says nothing
      if (!(error instanceof Deno.errors.NotFound)) continue;
      log("warning", "Local service has no socket yet", { name, local: formatEndpoint(local) });
    }
  }
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
