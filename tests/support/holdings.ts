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

/** What `program` holds at the moment; idle ProxyConns and notice connections are not counted. */
export async function holdingsOf(program: Program): Promise<Holdings> {
  const counters = await countersOf(program);
  const pooled = counters.proxyConnsOpened - counters.proxyConnsClosed;
  const noticing = counters.noticeConnsOpened - counters.noticeConnsClosed;
  return {
    sockets: (descriptorsOf(program.pid).socket ?? 0) - pooled - noticing,
    sessions: counters.sessionsOpened - counters.sessionsEnded - counters.sessionsReset - counters.sessionsRefused,
  };
}

/** Looks in a row, 100 ms apart, that must see the same. */
const STEADY_LOOKS = 3;

/**
 * What `program` holds once its start is over: there are ProxyConns, and none is on its way. A tunnel may be up before
 * that.
 */
export async function holdingsAfterStart(program: Program): Promise<Holdings> {
  let last = "";
  let same = 0;
  return await until(`the ${program.name} is ready`, async () => {
    const { noticeConnsOpened, proxyConnsOpened, proxyConnsClosed } = await countersOf(program);
    const held = await holdingsOf(program);
    const seen = `${JSON.stringify(held)} ${noticeConnsOpened} ${proxyConnsOpened}`;
    same = seen === last && noticeConnsOpened > 0 && proxyConnsOpened > proxyConnsClosed ? same + 1 : 0;
    last = seen;
    return held;
  }, () => same === STEADY_LOOKS);
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

/**
 * Waits until `program` has so many pooled ProxyConns: those beyond the ones kept ready are closed after 10 s of idling.
 *
 * @param count How many; left out, whatever there are.
 * @returns How many there are.
 */
export async function pooledAgain(program: Program, count?: number): Promise<number> {
  const look = async () => {
    const { proxyConnsOpened, proxyConnsClosed } = await countersOf(program);
    return proxyConnsOpened - proxyConnsClosed;
  };
  const what = `the ${program.name} has ${count} pooled ProxyConns`;
  return await until(what, look, (pooled) => count === undefined || pooled === count);
}

/** Bytes of memory that a program has of its own: sockets and pipes are the kernel's. */
export function memoryOf({ pid }: Program): number {
  const status = Deno.readTextFileSync(`/proc/${pid}/status`);
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)![1]) * 1024;
}
