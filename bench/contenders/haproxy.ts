// Two haproxy in a row, in TCP mode with splice: the same number of hops as a tunnel, by the best-known C proxy.

import { mostConnections } from "../measure/descriptors.ts";
import { BACKENDS, type Contender, type Ports } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const program = new Installed("haproxy");

/** Enough for spliced streams at the same time; haproxy would set a fifth of its descriptors aside for pipes. */
const PIPES = 512;

/**
 * The configuration of one of the two. haproxy sizes its tables by maxconn, and by its descriptors where there is none;
 * it refuses to start with more than fit.
 */
function configuration(from: Ports, to: Ports): string {
  const listeners = BACKENDS.map((backend) =>
    `listen ${backend}\n  bind 127.0.0.1:${from[backend]}\n  server local 127.0.0.1:${to[backend]}\n`
  );
  return `
global
  nbthread 2
  maxconn ${mostConnections(2, 2 * PIPES)}
  maxpipes ${PIPES}
defaults
  mode tcp
  option splice-auto
  timeout connect 5s
  timeout client 1h
  timeout server 1h
${listeners.join("")}`;
}

/** Two haproxy. */
export const haproxy: Contender = {
  name: "haproxy",
  setup: "two in a row, TCP mode, option splice-auto, nbthread 2; maxpipes 512 leaves descriptors for connections",
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
