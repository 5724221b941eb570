// What the user asked for, and how much of everything that means. It knows no contender and no figure.

/** How long, how much and how often things are measured. */
export interface Scale {
  /** Rounds of everything: A B C, A B C, .... */
  readonly rounds: number;
  /** No new measurement is begun after so many ms. */
  readonly budgetMs: number;
  /** The length of a run of bulk data, in seconds. */
  readonly bulkSeconds: number;
  /** Numbers of bulk streams at a time. */
  readonly streams: readonly number[];
  /** The length of a run of ab or wrk, in seconds. */
  readonly webSeconds: number;
  /** Whether wrk is run beside ab -k. */
  readonly wrk: boolean;
  /** The length of a ping-pong, in ms. */
  readonly pingMs: number;
  /** Idle connections to hold. */
  readonly held: number;
  /** MiB to move and connections to make while system calls are counted. */
  readonly tracedMiB: number;
  readonly tracedConnections: number;
  /** Rounds of what hardly varies and takes long: memory and system calls. */
  readonly slowRounds: number;
}

/** The user's choice. */
export interface Options {
  readonly quick: boolean;
  /** Names of contenders and figures to measure; null is all. */
  readonly only: readonly string[] | null;
  readonly figures: readonly string[] | null;
  readonly scale: Scale;
}

const FULL: Scale = {
  rounds: 5,
  budgetMs: 120 * 60_000,
  bulkSeconds: 3,
  streams: [1, 8, 64],
  webSeconds: 3,
  wrk: true,
  pingMs: 3000,
  held: 10_000,
  tracedMiB: 256,
  tracedConnections: 2000,
  slowRounds: 3,
};

const QUICK: Scale = {
  rounds: 3,
  budgetMs: 150_000,
  bulkSeconds: 1,
  streams: [1, 8],
  webSeconds: 1,
  wrk: false,
  pingMs: 700,
  held: 2000,
  tracedMiB: 64,
  tracedConnections: 500,
  slowRounds: 1,
};

/**
 * Reads the environment: QUICK=1, ONLY and FIGURES with names between commas, ROUNDS.
 *
 * @throws {RangeError} If ROUNDS is no number from 1 up.
 */
export function readOptions(env: { get(name: string): string | undefined }): Options {
  const list = (name: string) => env.get(name)?.split(",").map((part) => part.trim()).filter((part) => part !== "");
  const quick = !["", "0", undefined].includes(env.get("QUICK"));
  const scale = quick ? QUICK : FULL;
  const rounds = Number(env.get("ROUNDS") || scale.rounds);
  if (!Number.isInteger(rounds) || rounds < 1) {
    throw new RangeError(`Cannot measure ROUNDS="${env.get("ROUNDS")}": expected a whole number from 1 up`);
  }
  return {
    quick,
    only: nonEmpty(list("ONLY")),
    figures: nonEmpty(list("FIGURES")),
    scale: { ...scale, rounds, slowRounds: Math.min(rounds, scale.slowRounds) },
  };
}

function nonEmpty(list: string[] | undefined): string[] | null {
  return list === undefined || list.length === 0 ? null : list;
}
