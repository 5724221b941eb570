// A network of their own for a client and its server, with a router between them that loses what it is told to lose: three
// network namespaces (ip-netns(8)) that end with the test. It knows nothing of what runs there.

import { ignoreWithout, runTool, toolPath } from "./tools.ts";

const O_CLOEXEC = 0x80000;
const CLONE_NEWNET = 0x40000000;
/** Ms for one call of ip(8). */
const TOOL_MS = 10_000;
/** Addresses that are nobody's (RFC 5737). */
const CLIENT = "198.51.100.2";
const CLIENT_GATEWAY = "198.51.100.1";
const SERVER_GATEWAY = "203.0.113.1";
/** The server's address in every {@linkcode Network}. */
export const SERVER_HOST = "203.0.113.2";
const PREFIX = "cproxy-";

const { open, close, setns } = Deno.dlopen("libc.so.6", {
  open: { parameters: ["buffer", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  setns: { parameters: ["i32", "i32"], result: "i32" },
}).symbols;

/**
 * Whether a test that needs namespaces is ignored: it does not run as root, or ip(8) is missing, and
 * CPROXY_REQUIRE_TOOLS=1 does not say that then it fails.
 */
export function ignoreWithoutNetworks(): boolean {
  return ignoreWithout("ip", "tc") || (Deno.uid() !== 0 && Deno.env.get("CPROXY_REQUIRE_TOOLS") !== "1");
}

function openNamespace(path: string): number {
  const fd = open(new TextEncoder().encode(`${path}\0`), O_CLOEXEC);
  if (fd < 0) throw new Error(`Cannot open the network namespace "${path}"`);
  return fd;
}

function enter(fd: number): void {
  if (setns(fd, CLONE_NEWNET) < 0) throw new Error("Cannot enter a network namespace");
}

/** One network namespace. */
export class Namespace {
  /** Its name for ip(8). */
  readonly name: string;
  #fd = -1;

  constructor(name: string) {
    this.name = name;
  }

  /** Makes it. */
  async add(): Promise<void> {
    await runTool("ip", ["netns", "add", this.name], TOOL_MS);
    this.#fd = openNamespace(`/run/netns/${this.name}`);
    await this.ip("link set lo up");
  }

  /**
   * Runs `body` inside. What it does before its first await, and only that, happens there: a listener, a connection or a
   * child process that it then makes belongs to this namespace for good.
   */
  inside<T>(body: () => T): T {
    const outside = openNamespace("/proc/thread-self/ns/net");
    enter(this.#fd);
    try {
      return body();
    } finally {
      enter(outside);
      close(outside);
    }
  }

  /** Runs ip(8) inside, with these arguments. */
  async ip(args: string): Promise<void> {
    await runTool("ip", ["-netns", this.name, ...args.split(" ")], TOOL_MS);
  }

  /** Runs another tool inside; what it wrote. */
  tool(name: string, args: readonly string[]): Promise<string> {
    return runTool("ip", ["netns", "exec", this.name, toolPath(name), ...args], TOOL_MS);
  }

  /** Ends it, if there is one. */
  async remove(): Promise<void> {
    if (this.#fd < 0) return;
    close(this.#fd);
    this.#fd = -1;
    await runTool("ip", ["netns", "delete", this.name], TOOL_MS);
  }
}

/** Which packets a router loses: all, or those of TCP connections from some ports of the client. */
export type Lost = "everything" | readonly number[];

let made = 0;

/** Begins the name of a namespace of this process, by which what a killed test has left behind is found. */
function newName(): string {
  return `${PREFIX}${Deno.pid}-${++made}`;
}

/** The end of {@linkcode removeOrphans}, which runs once in a process. */
let tidied: Promise<void> | null = null;

/** A client's network, a server's, and a router between; `await using` ends all three. */
export class Network implements AsyncDisposable {
  /** Where the client and its LocalServers are. */
  readonly client: Namespace;
  /** Between the two. */
  readonly router: Namespace;
  /** Where the server is, and whoever connects to its public ports. */
  readonly server: Namespace;
  /** The server's address, seen from the client. */
  readonly serverHost = SERVER_HOST;
  private constructor() {
    const name = newName();
    [this.client, this.router, this.server] = ["c", "r", "s"].map((part) => new Namespace(`${name}${part}`));
  }

  /** Makes one whose links are up. */
  static async make(): Promise<Network> {
    await (tidied ??= removeOrphans());
    const network = new Network();
    try {
      await network.#build();
      return network;
    } catch (error) {
      await network[Symbol.asyncDispose]();
      throw error;
    }
  }

  async #build(): Promise<void> {
    const { client, router, server } = this;
    await Promise.all([client.add(), router.add(), server.add()]);
    await Promise.all([
      client.ip(`link add eth0 type veth peer name client netns ${router.name}`),
      server.ip(`link add eth0 type veth peer name server netns ${router.name}`),
    ]);
    await router.ip(`addr add ${CLIENT_GATEWAY}/24 dev client`);
    await router.ip(`addr add ${SERVER_GATEWAY}/24 dev server`);
    for (const end of ["client", "server"]) await router.ip(`link set ${end} up`);
    router.inside(() => Deno.writeTextFileSync("/proc/sys/net/ipv4/ip_forward", "1"));
    await client.ip(`addr add ${CLIENT}/24 dev eth0`);
    await server.ip(`addr add ${SERVER_HOST}/24 dev eth0`);
    await this.plug("client");
    await this.plug("server");
  }

  /** Sets the interface of one side up, and its route. */
  async plug(side: "client" | "server"): Promise<void> {
    await this[side].ip("link set eth0 up");
    await this[side].ip(`route replace default via ${side === "client" ? CLIENT_GATEWAY : SERVER_GATEWAY}`);
  }

  /** Sets the interface of one side down: its routes are gone with it, and its programs are told. */
  async unplug(side: "client" | "server"): Promise<void> {
    await this[side].ip("link set eth0 down");
  }

  /** Sets the router's end of one side's link up or down: that side loses its carrier and keeps its routes. */
  async carrier(side: "client" | "server", there: boolean): Promise<void> {
    await this.router.ip(`link set ${side} ${there ? "up" : "down"}`);
  }

  /** The router's links carry this many Mbit/s towards either side, so that a transfer takes its time. */
  async slow(mbit: number): Promise<void> {
    for (const end of ["client", "server"]) {
      const limit = `rate ${mbit}mbit burst 64kb latency 100ms`;
      await this.router.tool("tc", ["qdisc", "replace", "dev", end, "root", "tbf", ...limit.split(" ")]);
    }
  }

  /** The router loses these packets from now on, and tells nobody. */
  async lose(lost: Lost): Promise<void> {
    for (const rule of rulesFor(lost)) await this.router.ip(`rule add pref 10 ${rule} blackhole`);
  }

  /** The router tells all senders that it has no way to where they send (ICMP host unreachable). */
  async refuse(): Promise<void> {
    await this.router.ip("rule add pref 10 from all unreachable");
  }

  /** The router forwards everything again. */
  async mend(): Promise<void> {
    const rules = await runTool("ip", ["-netns", this.router.name, "rule", "list", "pref", "10"], TOOL_MS);
    for (let left = rules.trim().split("\n").length; rules.trim() !== "" && left > 0; left--) {
      await this.router.ip("rule delete pref 10");
    }
  }

  /** Ends it; programs that still run there keep a namespace without links. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const part of [this.client, this.router, this.server]) await part.remove();
  }
}

function rulesFor(lost: Lost): string[] {
  if (lost === "everything") return ["from all"];
  return lost.flatMap((port) => [
    `from ${CLIENT} to ${SERVER_HOST} ipproto tcp sport ${port}`,
    `from ${SERVER_HOST} to ${CLIENT} ipproto tcp dport ${port}`,
  ]);
}

/** A network of one host alone, whose packets to itself can get lost; `await using` ends it. */
export class LonelyHost implements AsyncDisposable {
  readonly #namespace = new Namespace(`${newName()}s`);

  /** Makes one whose packets have at most 1500 bytes, as between two hosts. */
  static async make(): Promise<LonelyHost> {
    await (tidied ??= removeOrphans());
    const host = new LonelyHost();
    await host.#namespace.add();
    await host.#namespace.ip("link set lo mtu 1500 gso_max_size 1500 gso_max_segs 1");
    return host;
  }

  /** See {@linkcode Namespace.inside}. */
  inside<T>(body: () => T): T {
    return this.#namespace.inside(body);
  }

  /** Sets a part of sysctl(8) for it alone, such as `net/ipv4/tcp_mtu_probing`. */
  set(key: string, value: string): void {
    this.inside(() => Deno.writeTextFileSync(`/proc/sys/${key}`, value));
  }

  /** Packets get lost from now on, and nobody is told: those that one of these matches (nft(8)). */
  async lose(...matches: readonly string[]): Promise<void> {
    const commands = ["add table inet lossy", "add chain inet lossy input { type filter hook input priority 0; }"];
    for (const match of matches) commands.push(`add rule inet lossy input ${match} drop`);
    await this.#namespace.tool("nft", [commands.join("\n")]);
  }

  /** Ends it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#namespace.remove();
  }
}

/** Ends the namespaces that a test which was killed has left behind. */
async function removeOrphans(): Promise<void> {
  const list = await runTool("ip", ["netns", "list"], TOOL_MS);
  for (const [name, pid] of list.matchAll(/^cproxy-(\d+)-\d+[crs]/gm)) {
    try {
      Deno.statSync(`/proc/${pid}`);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      await runTool("ip", ["netns", "delete", name], TOOL_MS);
    }
  }
}
