// Room for descriptors. It knows no contender.

import { raiseDescriptorLimit } from "../../ffi/process.ts";
import { runTool } from "../../tests/support/tools.ts";

/** Enough for 10,000 connections through any contender, each process of which has two for a connection, or a few more. */
const WANTED = 100_000;
/** What a process has besides connections: files, listeners, pooled connections, pipes. */
const SPARE = 300;
/** More connections than are ever held. */
const MOST_CONNECTIONS = 12_000;

let limit = raiseDescriptorLimit();

/**
 * Raises the limit of this process and of those it starts from now on. Above the hard limit only a process with
 * CAP_SYS_RESOURCE may go; without it things are measured with what there is.
 *
 * @returns The limit, in descriptors of a process.
 */
export async function raiseLimits(): Promise<number> {
  if (limit < WANTED) {
    try {
      await runTool("prlimit", ["--pid", String(Deno.pid), `--nofile=${WANTED}:${WANTED}`], 5000);
    } catch {
      // The report states the limit that is in force.
    }
    limit = raiseDescriptorLimit();
  }
  return limit;
}

/** How many connections a process can have at a time that takes `each` descriptors for each, and `others` besides. */
export function mostConnections(each: number, others = 0): number {
  return Math.min(MOST_CONNECTIONS, Math.floor((limit - SPARE - others) / each));
}
