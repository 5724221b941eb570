// What /proc says of processes: the time they took and the memory they have. It knows no contender.

/** Clock ticks per second in /proc (USER_HZ), 100 on every Linux that Deno runs on. */
const TICKS = 100;

/** User and system time of the processes so far, all their threads included, in seconds. */
export function cpuSeconds(pids: readonly number[]): number {
  let ticks = 0;
  for (const pid of pids) {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    // The name, which may hold anything, ends at the last parenthesis; utime and stime are fields 14 and 15 (proc(5)).
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    ticks += Number(fields[11]) + Number(fields[12]);
  }
  return ticks / TICKS;
}

/** The memory of a process, in MiB. */
export interface Memory {
  /** Its proportional share: a page that n processes share counts 1/n. */
  readonly pss: number;
  /** All of its pages that are in memory. */
  readonly rss: number;
}

/** The memory of the process now. Of another user's process only root may ask. */
export function memoryOf(pid: number): Memory {
  const text = Deno.readTextFileSync(`/proc/${pid}/smaps_rollup`);
  const field = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) / 1024;
  return { pss: field("Pss"), rss: field("Rss") };
}
