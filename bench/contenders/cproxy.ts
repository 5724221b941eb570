// CProxy itself, as its users run it: server and client from the sources of this tree.

import { FROM_SOURCE, Tunnels } from "../../tests/support/tunnels.ts";
import { BACKENDS, type Contender } from "./contender.ts";
import { runningOf } from "./processes.ts";

/** This project. */
export const cproxy: Contender = {
  name: "cproxy",
  setup: "deno run, --work_thread_nums=2 for both, a token, everything else as it comes",
  missing: () => null,
  async version() {
    const git = new Deno.Command("git", { args: ["describe", "--always", "--dirty"], cwd: import.meta.dirname });
    const { stdout } = await git.output();
    return `${new TextDecoder().decode(stdout).trim()} on Deno ${Deno.version.deno}`;
  },
  async start(services) {
    const local = Object.fromEntries(BACKENDS.map((backend) => [backend, `127.0.0.1:${services[backend]}`]));
    const tunnels = await Tunnels.start(FROM_SOURCE, local, ["--work_thread_nums=2"]);
    const port = (backend: string) => Number(tunnels.public.get(backend)!.split(":")[1]);
    const ports = { web: port("web"), bulk: port("bulk"), echo: port("echo") };
    return runningOf([tunnels.server, tunnels.client], ports, () => tunnels[Symbol.asyncDispose]());
  },
};
