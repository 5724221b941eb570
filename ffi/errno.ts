// The error number of the last failed call, its name, and the error that carries both.
import { libc } from "./libc.ts";

/** errno values that the program tells apart (asm-generic/errno.h; the same on x86_64 and aarch64). */
export const Errno = {
  EINTR: 4,
  EAGAIN: 11,
  ENOMEM: 12,
  EACCES: 13,
  EEXIST: 17,
  EINVAL: 22,
  ENFILE: 23,
  EMFILE: 24,
  ENOSPC: 28,
  EPIPE: 32,
  EADDRINUSE: 98,
  EADDRNOTAVAIL: 99,
  ENETDOWN: 100,
  ENETUNREACH: 101,
  ECONNABORTED: 103,
  ECONNRESET: 104,
  ENOBUFS: 105,
  ENOTCONN: 107,
  ETIMEDOUT: 110,
  ECONNREFUSED: 111,
  EHOSTDOWN: 112,
  EHOSTUNREACH: 113,
  EINPROGRESS: 115,
} as const;

const names = new Map<number, string>([
  ...Object.entries(Errno).map(([name, code]): [number, string] => [code, name]),
  [1, "EPERM"],
  [2, "ENOENT"],
  [5, "EIO"],
  [6, "ENXIO"],
  [9, "EBADF"],
  [14, "EFAULT"],
  [20, "ENOTDIR"],
  [36, "ENAMETOOLONG"],
  [40, "ELOOP"],
  [88, "ENOTSOCK"],
  [91, "EPROTOTYPE"],
  [93, "EPROTONOSUPPORT"],
  [97, "EAFNOSUPPORT"],
  [106, "EISCONN"],
]);

/**
 * errno of this thread, laid over `__errno_location()` (a Worker stays on one thread for life). Read it in the very next
 * expression after a failed call: any allocation in between may run a garbage collection that overwrites it.
 */
export const errno: Int32Array = mapErrno();

function mapErrno(): Int32Array {
  const location = libc.__errno_location();
  if (location === null) throw new Error("Cannot locate errno");
  return new Int32Array(new Deno.UnsafePointerView(location).getArrayBuffer(4));
}

/**
 * The name of an errno value.
 *
 * @param code A positive errno value.
 * @returns Its symbolic name, such as `EADDRINUSE`, or `errno 250` for one without a name here.
 */
export function errnoName(code: number): string {
  return names.get(code) ?? `errno ${code}`;
}

const words: Readonly<Record<string, string>> = {
  EPERM: "permission denied",
  ENOENT: "no such file",
  EIO: "input or output error",
  ENXIO: "no such device",
  ENOTDIR: "a part of the path is no directory",
  ENAMETOOLONG: "the path is too long",
  ELOOP: "too many symbolic links",
  EPROTOTYPE: "the socket is not a stream socket",
  EAGAIN: "no room for now",
  ENOSPC: "no room to watch another descriptor",
  ENOMEM: "out of memory",
  EACCES: "permission denied",
  ENFILE: "too many open files on this host",
  EMFILE: "too many open files",
  EPIPE: "connection closed",
  EADDRINUSE: "the address is in use",
  EADDRNOTAVAIL: "the address is not available",
  EAFNOSUPPORT: "this host has no such kind of address",
  ENETDOWN: "the network is down",
  ENETUNREACH: "the network is unreachable",
  ECONNABORTED: "connection aborted",
  ECONNRESET: "connection reset",
  ENOBUFS: "no buffer space",
  ENOTCONN: "not connected",
  ETIMEDOUT: "no answer in time",
  ECONNREFUSED: "connection refused",
  EHOSTDOWN: "the host is down",
  EHOSTUNREACH: "the host is unreachable",
};

/**
 * What an errno value says to people who read a log.
 *
 * @param code A positive errno value.
 * @returns Some words, such as `connection refused`, or what {@linkcode errnoName} says where there are none.
 */
export function errnoWords(code: number): string {
  const name = errnoName(code);
  return words[name] ?? name;
}

/** A system call that failed where the program cannot simply go on. */
export class SystemError extends Error {
  /** The call, such as `bind`. */
  readonly call: string;
  /** The positive errno value. */
  readonly code: number;

  /**
   * Names the failure.
   *
   * @param call The system call that failed.
   * @param code Its errno, positive.
   * @param doing What was being done to what, such as `listening on 0.0.0.0:8080`.
   */
  constructor(call: string, code: number, doing: string) {
    super(`Cannot ${call}: ${errnoName(code)} while ${doing}`);
    this.name = "SystemError";
    this.call = call;
    this.code = code;
  }
}

/**
 * Turns a negative result into an exception, for calls that are not on the hot path.
 *
 * @param result What a wrapper of this folder returned: a value from 0 up, or a negated errno.
 * @param call The system call's name.
 * @param doing What was being done to what.
 * @returns The result, when it is not negative.
 * @throws {SystemError} When it is negative.
 */
export function checked(result: number, call: string, doing: string): number {
  if (result < 0) throw new SystemError(call, -result, doing);
  return result;
}
