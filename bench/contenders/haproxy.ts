// Two haproxy in a row, in TCP mode with splice: the same number of hops as a tunnel, by the best-known C proxy.

import { mostConnections } from "../measure/descriptors.ts";
import { type Backend, BACKENDS, type Contender, type Ports } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const program = new Installed("haproxy");

/** Enough for spliced streams at the same time; haproxy would set a fifth of its descriptors aside for pipes. */
const PIPES = 512;

/**
 * What each service is relayed with. `splice-auto` splices only what it takes for bulk data, and does not in this version
 * with streams as fast as these: it receives and sends 16 KiB at a time. So bulk data is spliced by order; small messages,
 * where that gains nothing, are left to haproxy.
 */
const OPTIONS: Readonly<Record<Backend, string>> = {
  web: "  option splice-auto\n",
  bulk: "  option splice-request\n  option splice-response\n",
  echo: "  option splice-auto\n",
};

/**
 * The configuration of one of the two. haproxy sizes its tables by maxconn, and by its descriptors where there is none;
 * it refuses to start with more than fit.
 */
function configuration(from: Ports, to: Ports): string {
  const listeners = BACKENDS.map((backend) =>
    `listen ${backend}\n${OPTIONS[backend]}  bind 127.0.0.1:${from[backend]}\n  server local 127.0.0.1:${to[backend]}\n`
  );
  return `
global
  nbthread 2
  maxconn ${mostConnections(2, 2 * PIPES)}
  maxpipes ${PIPES}
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${listeners.join("")}`;
}

/** Two haproxy. */
export const haproxy: Contender = {
  name: "haproxy",
  setup:
    "two in a row, TCP mode, nbthread 2; option splice-request and splice-response for bulk data, because splice-auto " +
    "does not splice it here, and splice-auto for the rest; maxpipes 512 leaves descriptors for connections",
  missing: () => program.missing(),
  version: () => program.version("-v"),
  async start(services) {
    await using processes = new Processes();
    const [middle, outer] = [publicPorts(), publicPorts()];
    const hops = [["inner", middle, services], ["outer", outer, middle]] as const;
    for (const [name, from, to] of hops) {
      const config = await processes.file(".cfg", configuration(from, to));
      processes.start(name, [program.path, "-db", "-q", "-f", config]);
    }
    return processes.running(outer);
  },
};
