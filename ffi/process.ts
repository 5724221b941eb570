// The limits of the process, and what the first process of a container must do.
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
 * Lets the kernel forget the dead children of this process, if it is the first one of a container and so becomes the parent of
 * all processes there whose own parent has ended. With SIGCHLD ignored they need no wait(2). Any thread; call it once.
 */
export function buryOrphans(): void {
  if (Deno.pid !== 1) return;
  libc.signal(SIGCHLD, SIG_IGN);
  // those that have died before
  while (libc.waitpid(ANY_CHILD, null, WNOHANG) > 0);
}
