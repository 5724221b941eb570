// Over which relay Workers a client is spread: pure arithmetic that the acceptor and the relay Workers share. A client
// has so many Workers as it keeps ProxyConns ready, whatever the number of threads, and gets more as it has sessions.
import type { ControlId } from "../protocol/ids.ts";

/** Workers that a client without sessions has: one at least. */
export function leastWidth(relays: number, poolCount: number): number {
  return Math.max(1, Math.min(relays, poolCount));
}

/** The first Worker of a client: clients that come one after the other lie side by side. */
export function firstRelayOf(control: ControlId, relays: number, poolCount: number): number {
  return (control * leastWidth(relays, poolCount)) % relays;
}

/** How many idle ProxyConns a relay Worker keeps ready for a client: in all of them together `poolCount`. */
export function idleShare(control: ControlId, relay: number, relays: number, poolCount: number): number {
  const width = leastWidth(relays, poolCount);
  const rank = (relay - firstRelayOf(control, relays, poolCount) + relays) % relays;
  if (rank >= width) return 0;
  return Math.floor(poolCount / width) + (rank < poolCount % width ? 1 : 0);
}

/**
 * The ways from one relay Worker of the server to those of a client. The remainders of a ProxyConn's number say who has
 * it at either end, so not every Worker has a way to every other one.
 */
export interface Lanes {
  /** Of the numbers that the server's Worker may give, one in so many leads to the same Worker of the client. */
  readonly stride: number;
  /** How many ways one Worker of the server takes at most, so that all of them together reach every one of the client's. */
  readonly most: number;
}

/** The lanes between so many relay Workers of the server and so many of the client. */
export function lanesOf(relays: number, workers: number): Lanes {
  const stride = workers / commonDivisor(relays, workers);
  return { stride, most: Math.min(stride, Math.ceil(workers / relays)) };
}

function commonDivisor(a: number, b: number): number {
  return b === 0 ? a : commonDivisor(b, a % b);
}
