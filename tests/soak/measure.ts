// What the programs hold and have counted at a moment when no visit is under way. It judges nothing.

import { countersOf, type Descriptors, descriptorsOf, tunnelCountersOf } from "../support/inspection.ts";
import type { Program } from "../support/program.ts";
import type { Pair } from "./pair.ts";
import { type TunnelName, TUNNELS } from "./plan.ts";

/** Numbers by name, as a program logs them. */
export type Counts = Readonly<Record<string, number>>;

/** What is seen of one program. */
export interface Snapshot {
  readonly tunnels: Readonly<Record<TunnelName, Counts>>;
  readonly totals: Counts;
  readonly descriptors: Descriptors;
  /** Its share of memory in bytes (proc(5), smaps_rollup). */
  readonly pss: number;
}

/** Looks at a program. */
export async function snapshotOf(program: Program, pair: Pair): Promise<Snapshot> {
  const look = () => tunnelCountersOf(program, TUNNELS.map((name) => pair.addresses[name]));
  // a tunnel whose port is open may not be known to be up yet
  const counted = await look().catch(look);
  return {
    tunnels: Object.fromEntries(TUNNELS.map((name, i) => [name, counted[i]])) as Record<TunnelName, Counts>,
    totals: await countersOf(program),
    descriptors: descriptorsOf(program.pid),
    pss: pssOf(program.pid),
  };
}

/** The share of memory of a process, in bytes; NaN when there is no such process. */
export function pssOf(pid: number): number {
  try {
    const rollup = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
    return 1024 * Number(/^Pss: +(\d+) kB$/m.exec(rollup)?.[1]);
  } catch {
    return NaN; // it has just ended
  }
}

/** What was counted between two moments. */
export function between(before: Counts, after: Counts): Counts {
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - before[name]]));
}
