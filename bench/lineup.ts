// The contenders while the benchmark runs: each is started when first needed, warmed up, kept for the measurements to
// come, and started again after a failure. It knows no figure.

import type { Contender, Ports, Running } from "./contenders/contender.ts";
import { moveBulk } from "./load/bulk.ts";
import { firstByte } from "./load/first_byte.ts";
import { runAb } from "./load/web.ts";

/** A warm-up, the same for all: code that is compiled when it is hot, is; pools are filled. */
const WARM_UP = { seconds: 1, connections: 5000, concurrency: 20 };

/** A contender that did not start so often does not. */
const MOST_STARTS = 2;

/**
 * Starts a contender and waits until a byte has passed.
 *
 * @throws {Error} If none does; the message has what its processes wrote.
 */
export async function startAndSee(contender: Contender, services: Ports): Promise<Running> {
  await using stack = new AsyncDisposableStack();
  const running = stack.use(await contender.start(services));
  try {
    await firstByte(running.ports.echo);
  } catch (error) {
    throw new Error(`${(error as Error).message}. ${running.output()}`, { cause: error });
  }
  stack.move();
  return running;
}

/** The contenders that run. */
export class Lineup implements AsyncDisposable {
  readonly #services: Ports;
  readonly #running = new Map<Contender, Running>();
  /** Why a contender did not start, each time. */
  readonly #refusals = new Map<Contender, Error[]>();

  /** Nobody runs yet. */
  constructor(services: Ports) {
    this.#services = services;
  }

  /**
   * The contender, running and warm.
   *
   * @throws {Error} If it does not start or does not pass data.
   */
  async get(contender: Contender): Promise<Running> {
    const running = this.#running.get(contender);
    if (running !== undefined) return running;
    const refusals = this.#refusals.get(contender) ?? [];
    if (refusals.length >= MOST_STARTS) throw refusals[0];
    try {
      const started = await startAndSee(contender, this.#services);
      this.#running.set(contender, started);
      if (started.programs.length > 0) await this.#warmUp(started);
      return started;
    } catch (error) {
      this.#refusals.set(contender, [...refusals, error as Error]);
      throw error;
    }
  }

  async #warmUp({ ports }: Running): Promise<void> {
    const { seconds, connections, concurrency } = WARM_UP;
    await runAb({ port: ports.web, seconds, requests: connections, concurrency, keepAlive: false });
    const bulk = { servicePort: this.#services.bulk, publicPort: ports.bulk, amount: { seconds } };
    await moveBulk({ ...bulk, streams: 1, direction: "down" });
  }

  /** Ends a contender; the next {@linkcode get} starts it again. */
  async stop(contender: Contender): Promise<void> {
    const running = this.#running.get(contender);
    this.#running.delete(contender);
    await running?.[Symbol.asyncDispose]();
  }

  /** Ends all. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const contender of [...this.#running.keys()]) await this.stop(contender);
  }
}
