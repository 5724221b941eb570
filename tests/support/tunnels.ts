// The two programs, connected: a server and a client with some tunnels, on this machine. It knows their command lines
// and logs, and nothing of what is inside them.

import { freePorts, Program } from "./program.ts";

/** How the two programs are started: each a path followed by arguments. */
export interface Commands {
  server: readonly string[];
  client: readonly string[];
}

function fromSource(name: string): string[] {
  return [Deno.execPath(), "run", "--allow-all", "--quiet", new URL(`../../${name}.ts`, import.meta.url).pathname];
}

/** The programs of this tree, run by the Deno that runs this. */
export const FROM_SOURCE: Commands = { server: fromSource("server"), client: fromSource("client") };

/** A server and a client whose tunnels are up; `await using` stops them. */
export class Tunnels {
  readonly server: Program;
  readonly client: Program;
  /** The public address of each tunnel by its name, as `127.0.0.1:port`. */
  readonly public: ReadonlyMap<string, string>;

  private constructor(server: Program, client: Program, addresses: ReadonlyMap<string, string>) {
    this.server = server;
    this.client = client;
    this.public = addresses;
  }

  /**
   * Starts both and waits until every tunnel is up; `localServers` gives the address behind each tunnel by its name,
   * `flags` are for both programs.
   *
   * @throws {Error} If a program ends or a tunnel does not come up in time; nothing is left running then.
   */
  static async start(
    commands: Commands,
    localServers: Readonly<Record<string, string>>,
    flags: readonly string[] = [],
  ): Promise<Tunnels> {
    await using started = new AsyncDisposableStack();
    const [ctlPort, proxyPort] = freePorts(2);
    const names = Object.keys(localServers);
    const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
    try {
      const tunnels = names.map((name) => `  - name: ${name}\n    local_server: ${localServers[name]}\n`);
      await Deno.writeTextFile(config, `cproxy_server: 127.0.0.1:${ctlPort}\ntunnels:\n${tunnels.join("")}`);

      const env = { CPROXY_TOKEN: crypto.randomUUID() };
      const serverFlags = [
        `--ctl_port=${ctlPort}`,
        `--proxy_port=${proxyPort}`,
        "--bind=127.0.0.1",
        "--drain_timeout=2",
      ];
      const server = started.use(new Program("server", [...commands.server, ...serverFlags, ...flags], env));
      // A client that finds no server tries again a second later: it is started when there is one.
      await server.listening(ctlPort);
      const clientFlags = [`--config=${config}`, "--drain_timeout=2"];
      const client = started.use(new Program("client", [...commands.client, ...clientFlags, ...flags], env));
      const addresses = new Map<string, string>();
      for (const name of names) {
        const line = await client.line(new RegExp(`Tunnel is up .*\\bname=${name} .*\\bpublic=([^ ]+)`));
        addresses.set(name, line[1]);
      }
      started.move();
      return new Tunnels(server, client, addresses);
    } finally {
      await Deno.remove(config);
    }
  }

  /**
   * Stops both as a user would, with SIGTERM.
   *
   * @throws {Error} If one of them does not exit with 0; its last lines are quoted.
   */
  async stop(): Promise<void> {
    for (const program of [this.client, this.server]) {
      const { code, signal } = await program.stop();
      if (code === 0) continue;
      throw new Error(`The ${program.name} ended with ${signal ?? code} when stopped; it wrote:\n${program.output}`);
    }
  }

  /** Stops both, however they end. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.client.stop();
    await this.server.stop();
  }
}
