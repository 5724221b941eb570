// Counts the system calls of running processes by strace. It knows no contender.

import { Program } from "../../tests/support/program.ts";
import { toolPath } from "../../tests/support/tools.ts";

/** Time to attach to every thread after the first. */
const ATTACH_MS = 300;

/** How often each system call was made. */
export type SystemCalls = Readonly<Record<string, number>>;

/**
 * The system calls of all threads of `pids` while `load` runs. strace stops a thread at each call: loads take longer, and
 * what is batched by time is batched differently.
 *
 * @throws {Error} If strace is not installed or may not attach.
 */
export async function countSystemCalls(pids: readonly number[], load: () => Promise<unknown>): Promise<SystemCalls> {
  const file = await Deno.makeTempFile({ prefix: "cproxy-strace-" });
  try {
    const targets = pids.flatMap((pid) => ["-p", String(pid)]);
    const strace = new Program("strace", [toolPath("strace"), "-c", "-f", "-o", file, ...targets]);
    try {
      for (const pid of pids) await strace.line(new RegExp(`Process ${pid} attached`));
      await new Promise((resolve) => setTimeout(resolve, ATTACH_MS));
      await load();
    } finally {
      strace.kill("SIGINT");
      await strace.stop();
    }
    return parseSummary(await Deno.readTextFile(file));
  } finally {
    await Deno.remove(file);
  }
}

/** Reads the table that `strace -c` writes: per cent, seconds, µs per call, calls, perhaps errors, name. */
function parseSummary(text: string): SystemCalls {
  const calls: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const found = /^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(\w+)$/.exec(line);
    if (found !== null && found[2] !== "total") calls[found[2]] = Number(found[1]);
  }
  return calls;
}
