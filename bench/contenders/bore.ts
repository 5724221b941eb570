// bore: one server, and one client for each tunnel, as its command line wants it.

import { BACKENDS, type Contender } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const program = new Installed("bore");
/** bore has one control port, fixed in its source. */
const CONTROL_PORT = 7835;

/** bore. */
export const bore: Contender = {
  name: "bore",
  setup: "no secret, no encryption; one client process for each of the three tunnels",
  exclusive: true,
  missing: () => program.missing(),
  version: () => program.version("--version"),
  async start(services) {
    await using processes = new Processes();
    const ports = publicPorts();
    const server = [program.path, "server", "--bind-addr", "127.0.0.1", "--min-port", "1024"];
    await processes.start("server", server, { RUST_LOG: "error" }).listening(CONTROL_PORT);
    for (const backend of BACKENDS) {
      const route = [String(services[backend]), "--to", "127.0.0.1", "--port", String(ports[backend])];
      processes.start(`client ${backend}`, [program.path, "local", ...route], { RUST_LOG: "error" });
    }
    return processes.running(ports);
  },
};
