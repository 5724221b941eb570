// What a running program holds for connections, seen from outside, and the processor time that it uses.

import { countersOf, descriptorsOf, until } from "./inspection.ts";
import type { Program } from "./program.ts";

/** What a program holds for connections. */
export interface Holdings {
  /** Sockets that are no ProxyConns. */
  readonly sockets: number;
  /** Sessions under way, by its counters. */
  readonly sessions: number;
}

/** What `program` holds at the moment, idle ProxyConns not counted. */
export async function holdingsOf(program: Program): Promise<Holdings> {
  const counters = await countersOf(program);
  return {
    sockets: (descriptorsOf(program.pid).socket ?? 0) - (counters.proxyConnsOpened - counters.proxyConnsClosed),
    sessions: counters.sessionsOpened - counters.sessionsEnded - counters.sessionsReset - counters.sessionsRefused,
  };
}

/**
 * What `program` holds once its start is over, with one relay Worker on either side: the first ProxyConn has become the
 * notice connection, and another one is idle. A tunnel may be up before that.
 */
export async function holdingsAfterStart(program: Program): Promise<Holdings> {
  await until(
    `the ${program.name} has its notice connection and an idle ProxyConn`,
    () => countersOf(program),
    (now) => {
      return now.proxyConnsClosed >= 1 && now.proxyConnsOpened > now.proxyConnsClosed;
    },
  );
  return await holdingsOf(program);
}

/**
 * Waits until `program` holds what it held when `idle` was taken: not one socket or session more or less.
 *
 * @throws {Error} If that takes longer than `limit` milliseconds.
 */
export async function idleAgain(program: Program, idle: Holdings, limit = 15_000): Promise<void> {
  const same = (held: Holdings) => held.sockets === idle.sockets && held.sessions === idle.sessions;
  await until(`the ${program.name} holds ${JSON.stringify(idle)}`, () => holdingsOf(program), same, limit);
}

/** Seconds of processor time that a program has used so far, all its threads together. */
export function cpuSecondsOf(program: Program): number {
  // The name of the program, in parentheses, may hold spaces; utime and stime are the 14th and 15th field (proc(5)).
  const fields = Deno.readTextFileSync(`/proc/${program.pid}/stat`).replace(/^.*\) /s, "").split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
