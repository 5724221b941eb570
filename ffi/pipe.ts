// Pipes and splice(2): how payload moves inside the kernel.
import type { Descriptor } from "./descriptor.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";

const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const F_SETPIPE_SZ = 1031;
const F_GETPIPE_SZ = 1032;
const SPLICE_F_MOVE = 1;
const SPLICE_F_NONBLOCK = 2;
// never SPLICE_F_MORE: it holds back the tail of a stream for up to 200 ms
const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

const ends = new Int32Array(2);

/** The two ends of a pipe. */
export interface PipeEnds {
  /** Where bytes come out. */
  readonly readEnd: Descriptor;
  /** Where bytes go in. */
  readonly writeEnd: Descriptor;
}

/**
 * Makes a non-blocking pipe.
 *
 * @returns Its ends, or a negated errno: EMFILE and ENFILE when there are no descriptors left.
 */
export function openPipe(): PipeEnds | number {
  const result = libc.pipe2(ends, O_NONBLOCK | O_CLOEXEC);
  if (result < 0) return -errno[0];
  return { readEnd: ends[0] as Descriptor, writeEnd: ends[1] as Descriptor };
}

/**
 * Asks for a pipe capacity. The kernel rounds up to a power of two; EPERM beyond fs.pipe-max-size, or when the user's
 * pipes together are over fs.pipe-user-pages-soft (pipe(7)).
 *
 * @param fd Either end.
 * @param bytes The capacity wanted, in bytes.
 * @returns The capacity set, or a negated errno.
 */
export function setPipeCapacity(fd: Descriptor, bytes: number): number {
  const result = libc.fcntl(fd, F_SETPIPE_SZ, bytes);
  return result < 0 ? -errno[0] : result;
}

/**
 * The capacity of a pipe in bytes. What counts when filling it is slots, one per page of capacity.
 *
 * @param fd Either end.
 * @returns The capacity, or a negated errno.
 */
export function getPipeCapacity(fd: Descriptor): number {
  const result = libc.fcntl(fd, F_GETPIPE_SZ, 0);
  return result < 0 ? -errno[0] : result;
}

/** Bytes of a page of this host: 4096, or 16 or 64 KiB on some of aarch64. A pipe has a slot for each page of capacity. */
export function pageBytes(): number {
  const _SC_PAGESIZE = 30;
  return libc.sysconf(_SC_PAGESIZE);
}

/**
 * Moves bytes between a socket and a pipe without copying them to user space (splice(2)). The socket itself must be
 * non-blocking: the splice flag covers the pipe side only.
 *
 * @param from Source: a socket, or a pipe's read end.
 * @param to Destination: a pipe's write end, or a socket.
 * @param bytes The most to move, 1 to 2^31-1. With 0 the kernel returns 0, which would look like the end of the stream.
 * @returns How many bytes moved, 0 at the end of the source's stream, or a negated errno. EAGAIN into a pipe means
 *   "nothing to read" or "pipe full": only an empty pipe tells which.
 */
export function splice(from: Descriptor, to: Descriptor, bytes: number): number {
  const result = libc.splice(from, null, to, null, bytes, SPLICE_FLAGS);
  return result < 0 ? -errno[0] : result;
}
