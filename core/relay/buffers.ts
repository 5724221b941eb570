// How much of a stream may wait in the kernel: the buffers of sockets, and what a direction holds in its pipe. The
// kernel makes its buffers as large as a line can use; a user who wants less memory sets a limit. It knows no kind of
// connection.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { setBuffers } from "../../ffi/socket.ts";

/** The most that a direction holds in its pipe, in bytes. A pipe counts slots and would take megabytes. */
const MOST_HELD = 1 << 20;

/** Bytes for each of a socket's two buffers, 0 for the kernel's own choice. */
let socketBytes = 0;
let held = MOST_HELD;

/**
 * Sets the limit for the connections of this Worker that are made from now on.
 *
 * @param bytes What may wait in one direction of a connection in this program, about, 256 KiB up; null for what the kernel
 *   chooses, and 1 MiB in a pipe.
 */
export function limitBuffers(bytes: number | null): void {
  held = Math.min(MOST_HELD, bytes === null ? MOST_HELD : bytes / 4);
  // what is asked for is doubled by the kernel, for its own needs (socket(7)), at the receiving and at the sending socket
  socketBytes = bytes === null ? 0 : Math.floor((bytes - held) / 4);
}

/** The most that a direction of this Worker holds in its pipe, in bytes. */
export function mostHeld(): number {
  return held;
}

/**
 * Gives a socket what the limit leaves to it, if there is one.
 *
 * @param fd A socket that is not connected yet, or a listener: what it accepts inherits it.
 */
export function capBuffers(fd: Descriptor): void {
  if (socketBytes > 0) setBuffers(fd, socketBytes);
}
