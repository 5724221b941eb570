// A server and a client with a router between them, and tunnels to LocalServers beside the client. It knows the programs'
// command lines and logs, and nothing of what is inside them.

import { addressOf, connectTo, readExactly, writeAll } from "./conns.ts";
import { holdingsAfterStart, holdingsOf } from "./holdings.ts";
import { tcpSocketsOf, until } from "./inspection.ts";
import { Network, SERVER_HOST } from "./network.ts";
import type { Program } from "./program.ts";
import { publicAddress, startClient, startServer } from "./starts.ts";

/** What a {@linkcode FarPair} may be given. */
export interface FarPairOptions {
  /** For both programs. */
  readonly flags?: readonly string[];
  /** For the server alone. */
  readonly server?: readonly string[];
  /** For the client alone. */
  readonly client?: readonly string[];
  /** The server's host as the client knows it. Default: its address. */
  readonly host?: string;
  /** A command that becomes the client. */
  readonly launcher?: readonly string[];
}

/** The tunnels: the port of one is configured, that of the other is the server's choice. */
export const TUNNELS = ["fixed", "chosen"] as const;
const FIXED_PORT = 9000; // in a namespace where nobody else is

/** Both programs, whose tunnels are up; `await using` stops them and ends their network. */
export interface FarPair extends AsyncDisposable {
  readonly network: Network;
  readonly server: Program;
  readonly client: Program;
  readonly ctlPort: number;
  readonly proxyPort: number;
  /** The LocalServer of both tunnels. */
  readonly listener: Deno.TcpListener;
  /** Where the tunnels are reached inside the server's namespace, in the order of {@linkcode TUNNELS}. */
  readonly addresses: readonly string[];
}

/** The token that both programs have. */
export const FAR_ENV = { CPROXY_TOKEN: "a-token-of-the-tests" };

/** The tunnel of `client` that has just come up, or comes up next, as it is reached inside the server's namespace. */
export async function nearAddress(client: Program, name = "default"): Promise<string> {
  return (await publicAddress(client, name)).replace(/.*:/, "127.0.0.1:");
}

/** Starts both in a network of their own and waits until the tunnels are up. */
export async function startFarPair(options: FarPairOptions = {}): Promise<FarPair> {
  const { flags = [], host, launcher } = options;
  await using started = new AsyncDisposableStack();
  const network = started.use(await Network.make());
  const both = ["--drain_timeout=1s", ...flags];
  const { program: server, ctlPort, proxyPort } = started.use(
    await network.server.inside(() => startServer(["--bind=0.0.0.0", ...both, ...(options.server ?? [])], FAR_ENV)),
  );
  const listener = started.adopt(
    network.client.inside(() => Deno.listen({ hostname: "127.0.0.1", port: 0 })),
    (listener) => listener.close(),
  );
  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  started.defer(() => Deno.remove(config));
  const local = `local_server: "${addressOf(listener)}"`;
  const [fixed, chosen] = TUNNELS;
  await Deno.writeTextFile(
    config,
    `tunnels:\n  - { name: ${fixed}, remote_port: ${FIXED_PORT}, ${local} }\n  - { name: ${chosen}, ${local} }\n`,
  );
  const target = `--cproxy_server=${host ?? SERVER_HOST}:${ctlPort}`;
  const clientFlags = [`--config=${config}`, target, ...both, ...(options.client ?? [])];
  const client = started.use(network.client.inside(() => startClient(ctlPort, clientFlags, FAR_ENV, launcher)));
  const addresses = await Promise.all(TUNNELS.map((name) => nearAddress(client, name)));
  const owned = started.move();
  return {
    network,
    server,
    client,
    ctlPort,
    proxyPort,
    listener,
    addresses,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A session through a tunnel: the visitor's end and the service's. */
export type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

/** A new session through the tunnel at `address`, in which a byte has gone each way. */
export async function session({ network, listener }: FarPair, address: string): Promise<Ends> {
  const accepted = listener.accept();
  accepted.catch(() => {}); // seen below, unless the visitor fails first
  const visitor = await network.server.inside(() => connectTo(address));
  await writeAll(visitor, Uint8Array.of(1));
  const answered = readExactly(visitor, 1);
  // a visitor that is sent away never comes out at the other end
  const [service] = await Promise.all([accepted, Promise.race([accepted, answered])]);
  await writeAll(service, Uint8Array.of(2));
  await Promise.all([answered, readExactly(service, 1)]);
  return [visitor, service];
}

/** What a program holds: its TCP sockets, idle ProxyConns and all, and sessions. */
export interface Held {
  readonly program: Program;
  readonly tcpSockets: number;
}

/** What both programs of a pair hold before the first session. */
export async function heldAfterStart({ server, client }: FarPair): Promise<Held[]> {
  const held: Held[] = [];
  for (const program of [server, client]) {
    await holdingsAfterStart(program);
    held.push({ program, tcpSockets: tcpSocketsOf(program.pid) });
  }
  return held;
}

/**
 * Waits until the programs hold as many TCP sockets as before, and no session.
 *
 * @throws {Error} If that takes longer than `limit` milliseconds. ProxyConns beyond those that are kept ready live for 10 s.
 */
export async function heldAgain(before: readonly Held[], limit = 30_000): Promise<void> {
  await Promise.all(before.map(async ({ program, tcpSockets }) => {
    const look = async () => ({
      tcpSockets: tcpSocketsOf(program.pid),
      sessions: (await holdingsOf(program)).sessions,
    });
    const what = `the ${program.name} has ${tcpSockets} TCP sockets and no session`;
    await until(what, look, (now) => now.tcpSockets === tcpSockets && now.sessions === 0, limit);
  }));
}
