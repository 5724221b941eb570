// eventfd(2): how one Worker wakes another one's event loop.
import type { Descriptor } from "./descriptor.ts";
import { checked, errno } from "./errno.ts";
import { libc } from "./libc.ts";

const EFD_NONBLOCK = 0o4000;
const EFD_CLOEXEC = 0o2000000;

// an eventfd takes a native-endian 64-bit increment
const one = new Uint8Array(new BigUint64Array([1n]).buffer);

/**
 * Makes an eventfd.
 *
 * @returns Its descriptor, usable from every Worker of the process.
 * @throws {SystemError} When no descriptor is left.
 */
export function openEventfd(): Descriptor {
  const result = libc.eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return checked(result < 0 ? -errno[0] : result, "eventfd", "starting a Worker") as Descriptor;
}

/**
 * Makes an eventfd readable. Each call is a new edge for an edge-triggered epoll registration, so the counter need not be
 * read back: it would overflow after 2^64-2 calls.
 *
 * @param fd The eventfd. Any thread.
 */
export function signalEventfd(fd: Descriptor): void {
  libc.write(fd, one, 8);
}
