// The limits of the process.
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";

const RLIMIT_NOFILE = 7;

/**
 * Raises the soft limit of open descriptors to the hard limit. `deno run` does this by itself, a compiled program does not.
 *
 * @returns The soft limit now in force, in descriptors, or a negated errno.
 */
export function raiseDescriptorLimit(): number {
  const limits = new BigUint64Array(2);
  const got = libc.getrlimit(RLIMIT_NOFILE, limits);
  if (got < 0) return -errno[0];
  const [soft, hard] = limits;
  if (soft < hard) {
    limits[0] = hard;
    if (libc.setrlimit(RLIMIT_NOFILE, limits) < 0) return Number(soft);
  }
  return Number(limits[0]);
}
