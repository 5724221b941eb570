// The services behind every contender, started once: nginx, and the echo. iperf3 is started for each of its runs.

import { freePorts, Program } from "../../tests/support/program.ts";
import { startNginx } from "../../tests/support/nginx.ts";
import type { Ports } from "../contenders/contender.ts";

/** Running services; `await using` stops them. */
export interface Services extends AsyncDisposable {
  readonly ports: Ports;
}

/** A program of this folder with its arguments, run by the Deno that runs this. */
export function loadProgram(name: string, ...args: readonly (string | number)[]): Program {
  const path = new URL(`./${name}.ts`, import.meta.url).pathname;
  return new Program(name, [Deno.execPath(), "run", "--allow-all", "--quiet", path, ...args.map(String)]);
}

/**
 * Starts the services.
 *
 * @throws {Error} If one cannot be started; nothing is left running then.
 */
export async function startServices(): Promise<Services> {
  await using stack = new AsyncDisposableStack();
  const nginx = stack.use(await startNginx());
  const [bulk, echo] = freePorts(2);
  await stack.use(loadProgram("echo_program", echo)).line(/Listening/);
  const running = stack.move();
  const web = Number(nginx.address.split(":")[1]);
  return { ports: { web, bulk, echo }, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
