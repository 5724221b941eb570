// The two programs started one by one, with any flags, for tests that kill, restart or refuse one of them. It knows their
// command lines and logs, and nothing of what is inside them.

import { Program } from "./program.ts";
import { FROM_SOURCE } from "./tunnels.ts";

/** A server that is ready. */
export interface Server extends AsyncDisposable {
  readonly program: Program;
  readonly ctlPort: number;
  readonly proxyPort: number;
}

/**
 * Starts a server on 127.0.0.1 and waits until it is ready. Its ports are free ones unless `flags` say otherwise, it has
 * one relay Worker, and no token unless `env` or `flags` give one. `launcher` is a
 * command that becomes the server.
 */
export async function startServer(
  flags: readonly string[] = [],
  env: Record<string, string> = {},
  launcher: readonly string[] = [],
): Promise<Server> {
  const defaults = ["--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0", "--work_thread_nums=1", "--pool_count=1"];
  const program = new Program("server", [...launcher, ...FROM_SOURCE.server, ...withDefaults(flags, defaults)], env);
  try {
    const ready = await program.line(/Server is ready ctl=\S*:(\d+) proxy=\S*:(\d+)/);
    return {
      program,
      ctlPort: Number(ready[1]),
      proxyPort: Number(ready[2]),
      [Symbol.asyncDispose]: async () => void await program.stop(),
    };
  } catch (error) {
    await program.stop();
    throw error;
  }
}

/**
 * Starts a client of the server whose ctl_port on 127.0.0.1 is `ctlPort`; `flags` name the tunnel or the file, and
 * `launcher` is a command that becomes the client.
 */
export function startClient(
  ctlPort: number,
  flags: readonly string[],
  env: Record<string, string> = {},
  launcher: readonly string[] = [],
): Program {
  const defaults = [`--cproxy_server=127.0.0.1:${ctlPort}`, "--work_thread_nums=1"];
  return new Program("client", [...launcher, ...FROM_SOURCE.client, ...withDefaults(flags, defaults)], env);
}

/** Waits until `client` says that its tunnel `name` is up: its public address. */
export async function publicAddress(client: Program, name = "default"): Promise<string> {
  return (await client.line(new RegExp(`Tunnel is up .*\\bname=${name} .*\\bpublic=([^ ]+)`)))[1];
}

/** A pair of programs with one tunnel to `localServer`. */
export interface Pair extends AsyncDisposable {
  readonly server: Program;
  readonly client: Program;
  readonly ctlPort: number;
  /** The public address of the tunnel. */
  readonly address: string;
}

/** Starts a server and a client with one tunnel, and waits until it is up. */
export async function startPair(
  localServer: string,
  flags: { readonly server?: readonly string[]; readonly client?: readonly string[] } = {},
): Promise<Pair> {
  await using started = new AsyncDisposableStack();
  const server = started.use(await startServer(flags.server));
  const client = started.use(startClient(server.ctlPort, [`--local_server=${localServer}`, ...(flags.client ?? [])]));
  const address = await publicAddress(client);
  const owned = started.move();
  return {
    server: server.program,
    client,
    ctlPort: server.ctlPort,
    address,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** `flags`, and those of `defaults` that they do not set themselves: a program takes each flag once. */
function withDefaults(flags: readonly string[], defaults: readonly string[]): string[] {
  const nameOf = (flag: string) => flag.split("=")[0];
  const given = new Set(flags.map(nameOf));
  return [...defaults.filter((flag) => !given.has(nameOf(flag))), ...flags];
}
