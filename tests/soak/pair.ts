// The two programs of the long haul: started, killed and started again on the same ports, with a forwarder between them
// that carries the ctl_conn. It knows their command lines, signals and log lines.

import { Forwarder } from "../support/forwarder.ts";
import { type Holdings, holdingsAfterStart } from "../support/holdings.ts";
import { freePorts, Program } from "../support/program.ts";
import { startClient, startServer } from "../support/starts.ts";
import { type TunnelName, TUNNELS } from "./plan.ts";

/** Which program. */
export type Which = "server" | "client";

const SERVER_FLAGS = ["--work_thread_nums=2", "--pool_count=4", "--drain_timeout=2s"];
// another number of Workers than the server has: every pair of them has sessions
const CLIENT_FLAGS = ["--work_thread_nums=3", "--drain_timeout=2s"];
/** Longer than a program is ever stopped for, shorter than the forwarder is ever frozen for. */
const HEARTBEATS = ["--heartbeat_interval=1s", "--heartbeat_timeout=6s"];
/** Ms for the tunnels to be up again. */
const UP_MS = 30_000;

/** See the file's head. */
export class Pair implements AsyncDisposable {
  /** Carries the ctl_conn. */
  readonly forwarder: Forwarder;
  /** The public addresses. */
  readonly addresses: Readonly<Record<TunnelName, string>>;
  /** What either program held when it was up and idle for the first time. */
  readonly idle: Record<Which, Holdings>;
  readonly #ctlPort: number;
  readonly #proxyPort: number;
  readonly #config: string;
  readonly #programs: Record<Which, Program>;

  private constructor(
    ports: { readonly ctl: number; readonly proxy: number; readonly addresses: Readonly<Record<TunnelName, string>> },
    config: string,
    forwarder: Forwarder,
    programs: Record<Which, Program>,
    idle: Record<Which, Holdings>,
  ) {
    this.#ctlPort = ports.ctl;
    this.#proxyPort = ports.proxy;
    this.addresses = ports.addresses;
    this.#config = config;
    this.forwarder = forwarder;
    this.#programs = programs;
    this.idle = idle;
  }

  /** Starts both, with a tunnel to each of the services. */
  static async start(localServers: Readonly<Record<TunnelName, string>>): Promise<Pair> {
    const [ctl, proxy, ...publicPorts] = freePorts(2 + TUNNELS.length);
    const forwarder = new Forwarder(ctl);
    const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
    const tunnels = TUNNELS.map((name, i) =>
      `  - { name: ${name}, local_server: "${localServers[name]}", remote_port: ${publicPorts[i]} }\n`
    );
    await Deno.writeTextFile(config, `tunnels:\n${tunnels.join("")}`);
    const addresses = Object.fromEntries(TUNNELS.map((name, i) => [name, `127.0.0.1:${publicPorts[i]}`]));
    const server = await startServerOn(ctl, proxy);
    const client = startClientOf(forwarder, config);
    await allUp(client);
    const idle = { server: await holdingsAfterStart(server), client: await holdingsAfterStart(client) };
    const ports = { ctl, proxy, addresses: addresses as Record<TunnelName, string> };
    return new Pair(ports, config, forwarder, { server, client }, idle);
  }

  /** One of the programs. */
  program(which: Which): Program {
    return this.#programs[which];
  }

  /** The ports that strangers come to. */
  get strangerPorts(): readonly number[] {
    return [this.#ctlPort, this.#proxyPort];
  }

  /** Ends a program by a signal, starts it again after `awayMs`, and waits until all tunnels are up. */
  async replace(which: Which, signal: "SIGKILL" | "SIGTERM", awayMs: number): Promise<void> {
    const former = this.#programs[which];
    // the client that stays says so, and a new one as well
    const seen = TUNNELS.map((name) => this.#programs.client.nextLine(upLine(name), UP_MS + awayMs + 5000));
    for (const line of seen) line.catch(() => {});
    former.kill(signal);
    await former.end();
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    if (which === "server") {
      this.#programs.server = await startServerOn(this.#ctlPort, this.#proxyPort);
      await Promise.all(seen);
    } else {
      this.#programs.client = startClientOf(this.forwarder, this.#config);
      await allUp(this.#programs.client);
    }
  }

  /** Stops both. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const program of [this.#programs.client, this.#programs.server]) {
      program.kill("SIGCONT");
      await program.stop();
    }
    await this.forwarder[Symbol.asyncDispose]();
    await Deno.remove(this.#config);
  }
}

function upLine(name: TunnelName): RegExp {
  return new RegExp(`Tunnel is up name=${name} `);
}

async function allUp(client: Program): Promise<void> {
  for (const name of TUNNELS) await client.line(upLine(name), UP_MS);
}

async function startServerOn(ctlPort: number, proxyPort: number): Promise<Program> {
  const ports = [`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`];
  return (await startServer([...ports, ...SERVER_FLAGS, ...HEARTBEATS])).program;
}

function startClientOf(forwarder: Forwarder, config: string): Program {
  return startClient(forwarder.port, [`--config=${config}`, ...CLIENT_FLAGS, ...HEARTBEATS]);
}
