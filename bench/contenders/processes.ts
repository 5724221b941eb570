// Starting the processes of one contender together, and ending them together. It knows no particular program.

import { freePorts, Program } from "../../tests/support/program.ts";
import { BACKENDS, type Ports, type Running } from "./contender.ts";

/** The processes of a contender while it is being started; what was started ends if the rest cannot be. */
export class Processes implements AsyncDisposable {
  readonly #stack = new AsyncDisposableStack();
  readonly #programs: Program[] = [];

  /** Starts one. */
  start(name: string, command: readonly string[], env: Record<string, string> = {}): Program {
    const program = this.#stack.use(new Program(name, command, env));
    this.#programs.push(program);
    return program;
  }

  /** Writes a configuration file that is removed with the processes. */
  async file(suffix: string, text: string): Promise<string> {
    const path = await Deno.makeTempFile({ prefix: "cproxy-bench-", suffix });
    this.#stack.defer(() => Deno.remove(path));
    await Deno.writeTextFile(path, text);
    return path;
  }

  /** All of them have been started. */
  running(ports: Ports): Running {
    const stack = this.#stack.move();
    return runningOf(this.#programs, ports, () => stack.disposeAsync());
  }

  /** Ends what was started, unless it is {@linkcode running}. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** What runs, of its programs; `stop` ends them. */
export function runningOf(programs: readonly Program[], ports: Ports, stop: () => Promise<void>): Running {
  return {
    programs: programs.map(({ name, pid }) => ({ name, pid })),
    ports,
    output: () => programs.map(({ name, output }) => output === "" ? "" : `${name}: ${output}`).join("\n").trim(),
    [Symbol.asyncDispose]: stop,
  };
}

/** A free port for every service. */
export function publicPorts(): Ports {
  const ports = freePorts(BACKENDS.length);
  return Object.fromEntries(BACKENDS.map((backend, i) => [backend, ports[i]])) as unknown as Ports;
}
