// The TCP connections of another process, with their options: the test holds copies of its descriptors (pidfd_getfd(2)),
// so what it sets, the process has. It knows nothing of what they carry.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { localAddress, peerAddress, unsentBytes } from "../../ffi/socket.ts";
import { Family, formatAddress } from "../../ffi/socket_address.ts";

// the same numbers on x86_64 and aarch64
const SYS_PIDFD_OPEN = 434;
const SYS_PIDFD_GETFD = 438;
const SOL_SOCKET = 1;
const SO_KEEPALIVE = 9;
const SO_PROTOCOL = 38;
const SO_MEMINFO = 55;
const IPPROTO_TCP = 6;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_USER_TIMEOUT = 18;

const libc = Deno.dlopen("libc.so.6", {
  syscall: { parameters: ["i64", "i64", "i64", "i64"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
}).symbols;

/** When the kernel asks a silent peer whether it is there. */
export interface Keepalive {
  readonly on: boolean;
  /** Seconds of silence before the first question. */
  readonly idle: number;
  /** Seconds between questions. */
  readonly interval: number;
  /** Questions without an answer that end the connection. */
  readonly count: number;
}

/** A connection of another process. */
export class ForeignSocket implements Disposable {
  /** Its own address and its peer's, as `host:port`. */
  readonly local: string;
  readonly peer: string;
  readonly #fd: Descriptor;

  constructor(fd: Descriptor) {
    this.#fd = fd;
    this.local = formatAddress(localAddress(fd)!);
    this.peer = formatAddress(peerAddress(fd)!);
  }

  get keepalive(): Keepalive {
    return {
      on: this.#get(SOL_SOCKET, SO_KEEPALIVE) === 1,
      idle: this.#get(IPPROTO_TCP, TCP_KEEPIDLE),
      interval: this.#get(IPPROTO_TCP, TCP_KEEPINTVL),
      count: this.#get(IPPROTO_TCP, TCP_KEEPCNT),
    };
  }

  /** Ms after which the kernel ends a connection whose peer does not acknowledge, or does not read; 0 for its own way. */
  get userTimeout(): number {
    return this.#get(IPPROTO_TCP, TCP_USER_TIMEOUT);
  }

  /** Bytes that it has sent and its peer's kernel has not acknowledged. */
  get unacknowledged(): number {
    return unsentBytes(this.#fd);
  }

  /** Bytes of memory of what it has received and nobody has read, and of what it is to send. */
  get memory(): number {
    // SK_MEMINFO_RMEM_ALLOC and SK_MEMINFO_WMEM_QUEUED (linux/sock_diag.h)
    const words = new Int32Array(9);
    if (libc.getsockopt(this.#fd, SOL_SOCKET, SO_MEMINFO, words, Int32Array.of(words.byteLength)) < 0) {
      throw new Error("Cannot get the memory of a socket");
    }
    return words[0] + words[5];
  }

  /** Makes its keepalive, which must be on, as impatient as can be: a peer that has vanished is found in 4 s. */
  hurry(): void {
    this.#set(TCP_KEEPINTVL, 1);
    // the last one, because it restarts the timer
    this.#set(TCP_KEEPIDLE, 1);
  }

  #set(name: number, value: number): void {
    if (libc.setsockopt(this.#fd, IPPROTO_TCP, name, Int32Array.of(value), 4) === 0) return;
    throw new Error(`Cannot set TCP option ${name} of ${this.local}`);
  }

  #get(level: number, name: number): number {
    return optionOf(this.#fd, level, name);
  }

  /** Closes the test's descriptor. */
  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

function optionOf(fd: Descriptor, level: number, name: number): number {
  const value = new Int32Array(1);
  if (libc.getsockopt(fd, level, name, value, Int32Array.of(4)) < 0) {
    throw new Error(`Cannot get socket option ${name}`);
  }
  return value[0];
}

/** Whether it is a TCP connection: the runtime of a program may just be asking a name server, by UDP. */
function isTcp(fd: Descriptor): boolean {
  const local = localAddress(fd);
  return local !== null && local.family !== Family.UNIX && peerAddress(fd) !== null &&
    optionOf(fd, SOL_SOCKET, SO_PROTOCOL) === IPPROTO_TCP;
}

/** The TCP connections of the process `pid`, a child of this one or any for root; each is to be disposed. */
export function connectionsOf(pid: number): ForeignSocket[] {
  const process = libc.syscall(BigInt(SYS_PIDFD_OPEN), BigInt(pid), 0n, 0n);
  if (process < 0) throw new Error(`Cannot open the process ${pid}`);
  try {
    const found: ForeignSocket[] = [];
    for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
      const fd = libc.syscall(BigInt(SYS_PIDFD_GETFD), BigInt(process), BigInt(name), 0n);
      if (fd < 0) continue; // closed in the meantime
      if (isTcp(fd as Descriptor)) found.push(new ForeignSocket(fd as Descriptor));
      else close(fd as Descriptor);
    }
    return found;
  } finally {
    close(process as Descriptor);
  }
}

/** Whether this process may do that at all, to itself: a kernel before 5.6 cannot, nor may every container. */
export function ignoreWithoutForeignSockets(): boolean {
  const process = libc.syscall(BigInt(SYS_PIDFD_OPEN), BigInt(Deno.pid), 0n, 0n);
  if (process < 0) return true;
  const fd = libc.syscall(BigInt(SYS_PIDFD_GETFD), BigInt(process), 0n, 0n);
  close(process as Descriptor);
  if (fd >= 0) close(fd as Descriptor);
  return fd < 0;
}
