// How a program divides the descriptors that it may have. It opens none.

/** Descriptors of the main isolate and of what the system's resolver opens now and then. */
const SUPERVISOR = 32;
/** Descriptors of a Worker: for Deno, its event loop and its eventfd. */
const PER_WORKER = 10;
/** Descriptors that the main isolate has as soon as the program runs. */
const SUPERVISOR_AT_LEAST = 22;
/** A ctl_conn and a public port. */
const FIRST_TUNNEL = 2;
/** Kept for ctl_conns and whatever else is not counted. */
const SPARE = 8;
/** Of the rest, pipes get one part in so many; what finds no pipe is copied. */
const PIPE_PART = 8;
/** More pipes than this a relay Worker has no use for: only directions that are blocked hold one. */
const MOST_PIPES = 256;

/** What connections and pipes may have. */
export interface DescriptorShare {
  /** Descriptors for connections, of all Workers together. */
  readonly connections: number;
  /** Pipes of one relay Worker; each has two descriptors. */
  readonly pipes: number;
  /** While this many descriptors are in use, there is room for no connection more. */
  readonly full: number;
}

/**
 * The fewest descriptors with which one visitor after the other can be served: what is spare then is what it needs.
 *
 * @param workers How many Workers the program has, relay Workers included.
 * @param relays How many Workers are relay Workers.
 */
export function descriptorsNeeded(workers: number, relays: number): number {
  return SUPERVISOR_AT_LEAST + workers * PER_WORKER + FIRST_TUNNEL + SPARE + 2 * relays;
}

/**
 * Divides descriptors.
 *
 * @param limit How many the process may have; a negated errno counts as the customary 1024.
 * @param workers How many Workers the program has, relay Workers included.
 * @param relays How many Workers are relay Workers.
 */
export function shareDescriptors(limit: number, workers: number, relays: number): DescriptorShare {
  const all = limit > 0 ? limit : 1024;
  const free = Math.max(0, all - SUPERVISOR - workers * PER_WORKER - SPARE);
  const pipes = Math.min(MOST_PIPES, Math.max(1, Math.floor(free / PIPE_PART / 2 / relays)));
  const forPipes = 2 * pipes * relays;
  return { connections: Math.max(0, free - forPipes), pipes, full: all - SPARE - forPipes };
}
