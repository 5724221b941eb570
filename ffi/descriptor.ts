// A file descriptor as a type of its own, and the calls that every descriptor has.
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";

const F_DUPFD_CLOEXEC = 1030;

/** An open file descriptor of this process. A number, so that it can travel between Workers in a shared-memory record. */
export type Descriptor = number & { readonly brand: "Descriptor" };

/**
 * Closes a descriptor.
 *
 * @param fd The descriptor; it must not be used afterwards. Any thread.
 * @returns 0, or a negated errno. On Linux the descriptor is gone even after EINTR (close(2)): never call it again.
 */
export function close(fd: Descriptor): number {
  const result = libc.close(fd);
  return result < 0 ? -errno[0] : result;
}

/**
 * Writes bytes to a descriptor that is not a socket. Never used on payload.
 *
 * @param fd An eventfd or pipe.
 * @param bytes What to write.
 * @returns The number of bytes written, or a negated errno.
 */
export function write(fd: Descriptor, bytes: Uint8Array): number {
  const result = libc.write(fd, bytes, bytes.byteLength);
  return result < 0 ? -errno[0] : result;
}

/**
 * The lowest number that is free: a descriptor opened now would get it, and all below it are in use.
 *
 * @param fd Any open descriptor.
 * @returns The number, or Infinity when there is none.
 */
export function lowestFree(fd: Descriptor): number {
  const result = libc.fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (result < 0) return Infinity;
  libc.close(result);
  return result;
}
