// The limits of the process, and the duty of the first process of a container.
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";

const RLIMIT_NOFILE = 7;
const SIGCHLD = 17;
const SIG_IGN = 1n;
const ANY_CHILD = -1;
const WNOHANG = 1;

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

/**
 * Buries orphans, if this is the first process of a container: the kernel makes it the parent of each process there
 * whose own parent has ended. With SIGCHLD ignored, no dead child needs a wait(2). Any thread; call it once.
 */
export function buryOrphans(): void {
  if (Deno.pid !== 1) return;
  libc.signal(SIGCHLD, SIG_IGN);
  // the children that have died before
  while (libc.waitpid(ANY_CHILD, null, WNOHANG) > 0);
}
