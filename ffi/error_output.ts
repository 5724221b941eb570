// Writes to stderr without ever waiting for its reader. It knows no log.
import type { Descriptor } from "./descriptor.ts";
import { write } from "./descriptor.ts";
import { Errno, errno } from "./errno.ts";
import { fileIdentity } from "./file_identity.ts";
import { libc } from "./libc.ts";
import { getPipeCapacity } from "./pipe.ts";
import { isSocket, send } from "./socket.ts";

const STDERR = 2 as Descriptor;
const O_WRONLY = 1;
const O_NOCTTY = 0o400;
const O_NONBLOCK = 0o4000;
const O_CLOEXEC = 0o2000000;
const POLLOUT = 4;
/** A blocking pipe that poll(2) says has room takes this many bytes without blocking (PIPE_BUF, pipe(7)). */
const AT_ONCE = 4096;

/**
 * Takes bytes for stderr.
 *
 * @param bytes What to write, 1 byte or more.
 * @returns How many were written, or a negated errno: EAGAIN when the reader is behind, EPIPE when it has gone, and others.
 */
export type ErrorOutput = (bytes: Uint8Array) => number;

/**
 * Finds out how stderr can be written to without blocking. O_NONBLOCK on it would hold for all programs that share it,
 * such as the shell behind a terminal: a pipe or terminal is opened a second time, for this process alone, and a socket
 * (systemd's journal) is told with every call. A regular file never blocks.
 *
 * @returns The function that writes there.
 */
export function openErrorOutput(): ErrorOutput {
  if (isSocket(STDERR)) return (bytes) => send(STDERR, bytes);
  const mayBlock = getPipeCapacity(STDERR) >= 0 || libc.isatty(STDERR) === 1;
  if (!mayBlock) return (bytes) => write(STDERR, bytes);
  const path = new TextEncoder().encode(`/proc/self/fd/${STDERR}\0`);
  const own = libc.open(path, O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (own >= 0) return (bytes) => write(own as Descriptor, bytes);
  // it is another user's, or there is no /proc; another program that writes to it may still take the room that poll has
  // seen
  return (bytes) => hasRoom(STDERR) ? write(STDERR, bytes.subarray(0, AT_ONCE)) : -Errno.EAGAIN;
}

/** Which file stderr is; see {@linkcode fileIdentity}. */
export function errorOutputIdentity(): string | null {
  return fileIdentity(STDERR);
}

/** Whether a write would not block: there is room, or an error to be told. */
function hasRoom(fd: Descriptor): boolean {
  // struct pollfd: int fd; short events; short revents
  const asked = new Int32Array([fd, POLLOUT]);
  const result = libc.poll(asked, 1, 0);
  return result > 0 || (result < 0 && errno[0] !== Errno.EINTR);
}
