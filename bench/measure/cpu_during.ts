// The CPU time that a contender takes for a load. It knows neither.

import { cpuSeconds } from "./processes.ts";

/** What is left to do when a load has ended, such as closing connections, is done within this time. */
const AFTERMATH_MS = 150;

/** What `load` gives, and the CPU seconds that the processes took for it. */
export async function cpuDuring<T>(
  pids: readonly number[],
  load: () => Promise<T>,
): Promise<{ result: T; cpu: number }> {
  const before = cpuSeconds(pids);
  const result = await load();
  await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS));
  return { result, cpu: cpuSeconds(pids) - before };
}
