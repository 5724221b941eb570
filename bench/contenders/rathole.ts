// rathole: one program in both roles, over plain TCP.

import { freePorts } from "../../tests/support/program.ts";
import { BACKENDS, type Contender } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const program = new Installed("rathole");

/** rathole. */
export const rathole: Contender = {
  name: "rathole",
  setup: "transport tcp (no encryption), everything else as it comes",
  missing: () => program.missing(),
  version: () => program.version("--version"),
  async start(services) {
    await using processes = new Processes();
    const ports = publicPorts();
    const [control] = freePorts(1);
    const sections = (role: string, line: (backend: typeof BACKENDS[number]) => string) =>
      BACKENDS.map((backend) => `[${role}.services.${backend}]\n${line(backend)}\n`).join("");
    const serverConfig = await processes.file(
      ".toml",
      `[server]\nbind_addr = "127.0.0.1:${control}"\ndefault_token = "bench"\n` +
        sections("server", (backend) => `bind_addr = "127.0.0.1:${ports[backend]}"`),
    );
    const clientConfig = await processes.file(
      ".toml",
      `[client]\nremote_addr = "127.0.0.1:${control}"\ndefault_token = "bench"\n` +
        sections("client", (backend) => `local_addr = "127.0.0.1:${services[backend]}"`),
    );
    const env = { RUST_LOG: "error" };
    await processes.start("server", [program.path, "--server", serverConfig], env).listening(control);
    processes.start("client", [program.path, "--client", clientConfig], env);
    return processes.running(ports);
  },
};
