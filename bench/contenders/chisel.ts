// chisel: reverse tunnels over one SSH connection in a WebSocket; its encryption cannot be switched off.

import { freePorts } from "../../tests/support/program.ts";
import { BACKENDS, type Contender } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const program = new Installed("chisel");

/** chisel. */
export const chisel: Contender = {
  name: "chisel",
  setup: "reverse tunnels; always encrypted (SSH), and all connections share one",
  missing: () => program.missing(),
  version: () => program.version("--version"),
  async start(services) {
    await using processes = new Processes();
    const ports = publicPorts();
    const [control] = freePorts(1);
    const server = [program.path, "server", "--reverse", "--host", "127.0.0.1", "--port", String(control)];
    await processes.start("server", server).listening(control);
    const remotes = BACKENDS.map((backend) => `R:127.0.0.1:${ports[backend]}:127.0.0.1:${services[backend]}`);
    processes.start("client", [program.path, "client", `http://127.0.0.1:${control}`, ...remotes]);
    return processes.running(ports);
  },
};
