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
/** The configured port. */
export const FIXED_PORT = 9000; // in a namespace where nobody else is

/** Both programs, wherever they are, with their tunnels up. */
export interface TwoTunnels {
  readonly server: Program;
  readonly client: Program;
  /** The LocalServer of both tunnels. */
  readonly listener: Deno.TcpListener;
  /** Where visitors reach the tunnels, in the order of {@linkcode TUNNELS}. */
  readonly addresses: readonly string[];
  /** Connects as a visitor does. */
  connect(address: string): Promise<Deno.TcpConn>;
}

/** Both programs with their network; `await using` stops them and ends it. Visitors are inside the server's namespace. */
export interface FarPair extends TwoTunnels, AsyncDisposable {
  readonly network: Network;
  readonly ctlPort: number;
  readonly proxyPort: number;
}

/** Writes a client's file with both tunnels to `listener`, one of which has the public port `fixedPort`; its path. */
export async function twoTunnelsConfig(listener: Deno.TcpListener, fixedPort: number): Promise<string> {
  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  const local = `local_server: "${addressOf(listener)}"`;
  const [fixed, chosen] = TUNNELS;
  const tunnels = `  - { name: ${fixed}, remote_port: ${fixedPort}, ${local} }\n  - { name: ${chosen}, ${local} }\n`;
  await Deno.writeTextFile(config, `tunnels:\n${tunnels}`);
  return config;
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
  const config = await twoTunnelsConfig(listener, FIXED_PORT);
  started.defer(() => Deno.remove(config));
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
    connect: (address) => network.server.inside(() => connectTo(address)),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** A session through a tunnel: the visitor's end and the service's. */
export type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

/** A new session through the tunnel at `address`, in which a byte has gone each way. */
export async function session(
  { connect, listener }: Pick<TwoTunnels, "connect" | "listener">,
  address: string,
): Promise<Ends> {
  const accepted = listener.accept();
  accepted.catch(() => {}); // seen below, unless the visitor fails first
  const visitor = await connect(address);
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
export async function heldAfterStart({ server, client }: TwoTunnels): Promise<Held[]> {
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
 * @throws {Error} If that takes longer than `limit` milliseconds. ProxyConns beyond those that are kept ready live for
 *   10 s.
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
