// The one dlopen of the program: the libc symbols it calls and their C types. It must never know what a tunnel is.

/** A nullable foreign pointer, as Deno hands it out. */
export type Pointer = Deno.PointerValue;

/**
 * Memory that a call may read or write; null is C's NULL. A SharedArrayBuffer needs a view on it. As wide as what Deno
 * takes for a buffer, or else Deno 2.5, which does not declare that it takes views on shared memory, sees two types.
 */
export type Memory = ArrayBufferView | ArrayBuffer | null;

/**
 * The libc functions in use, under their own names. Every result is 32 bits wide: a 64-bit result would make a BigInt
 * after the call, and that allocation may overwrite errno before it is read. `size_t` lengths are declared `u32`, which
 * holds for the first six integer arguments of a call on x86_64 and aarch64.
 */
export interface Libc {
  /** __errno_location(3). */
  __errno_location(): Pointer;
  /** accept4(2). */
  accept4(fd: number, address: Memory, length: Memory, flags: number): number;
  /** bind(2). */
  bind(fd: number, address: Memory, length: number): number;
  /** close(2). */
  close(fd: number): number;
  /** connect(2). */
  connect(fd: number, address: Memory, length: number): number;
  /** epoll_create1(2). */
  epoll_create1(flags: number): number;
  /** epoll_ctl(2). */
  epoll_ctl(epoll: number, operation: number, fd: number, event: Memory): number;
  /** epoll_wait(2). */
  epoll_wait(epoll: number, events: Memory, capacity: number, timeoutMs: number): number;
  /** eventfd(2). */
  eventfd(initial: number, flags: number): number;
  /** fcntl(2). */
  fcntl(fd: number, command: number, argument: number): number;
  /** freeaddrinfo(3). */
  freeaddrinfo(list: Pointer): void;
  /** getaddrinfo(3), on another thread: its buffers must live until it resolves. */
  getaddrinfo(host: Memory, service: Memory, hints: Memory, list: Memory): Promise<number>;
  /** getpeername(2). */
  getpeername(fd: number, address: Memory, length: Memory): number;
  /** getrlimit(2). */
  getrlimit(resource: number, limits: Memory): number;
  /** getsockname(2). */
  getsockname(fd: number, address: Memory, length: Memory): number;
  /** getsockopt(2). */
  getsockopt(fd: number, level: number, name: number, value: Memory, length: Memory): number;
  /** if_indextoname(3). */
  if_indextoname(index: number, name: Memory): Pointer;
  /** inet_ntop(3). */
  inet_ntop(family: number, source: Memory, text: Memory, size: number): Pointer;
  /** inet_pton(3). */
  inet_pton(family: number, text: Memory, destination: Memory): number;
  /** ioctl(2). */
  ioctl(fd: number, request: number, argument: Memory): number;
  /** isatty(3). */
  isatty(fd: number): number;
  /** listen(2). */
  listen(fd: number, backlog: number): number;
  /** open(2) of a file that is there. */
  open(path: Memory, flags: number): number;
  /** pipe2(2). */
  pipe2(fds: Memory, flags: number): number;
  /** poll(2). */
  poll(fds: Memory, count: number, timeoutMs: number): number;
  /** recv(2). */
  recv(fd: number, buffer: Memory, length: number, flags: number): number;
  /** send(2). */
  send(fd: number, buffer: Memory, length: number, flags: number): number;
  /** setrlimit(2). */
  setrlimit(resource: number, limits: Memory): number;
  /** setsockopt(2). */
  setsockopt(fd: number, level: number, name: number, value: Memory, length: number): number;
  /** shutdown(2). */
  shutdown(fd: number, how: number): number;
  /** signal(2). */
  signal(number: number, handler: bigint): Pointer;
  /** socket(2). */
  socket(family: number, type: number, protocol: number): number;
  /** splice(2). */
  splice(fdIn: number, offIn: Pointer, fdOut: number, offOut: Pointer, length: number, flags: number): number;
  /** statx(2). */
  statx(folder: number, path: Memory, flags: number, mask: number, result: Memory): number;
  /** sysconf(3), of what fits in 32 bits. */
  sysconf(name: number): number;
  /** timerfd_create(2). */
  timerfd_create(clock: number, flags: number): number;
  /** timerfd_settime(2). */
  timerfd_settime(fd: number, flags: number, spec: Memory, former: Pointer): number;
  /** waitpid(2). */
  waitpid(child: number, status: Memory, options: number): number;
  /** write(2). */
  write(fd: number, buffer: Memory, length: number): number;
}

/**
 * libc itself, opened once per Worker. Never closed: an unloaded library would leave the mapped errno dangling.
 * Call it only from the other files of this folder, which turn -1 into an error.
 */
export const libc: Libc = Deno.dlopen("libc.so.6", {
  __errno_location: { parameters: [], result: "pointer" },
  accept4: { parameters: ["i32", "buffer", "buffer", "i32"], result: "i32" },
  bind: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  // fcntl is variadic in C; with integer arguments the Linux ABIs of x86_64 and aarch64 pass them alike
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  freeaddrinfo: { parameters: ["pointer"], result: "void" },
  getaddrinfo: { parameters: ["buffer", "buffer", "buffer", "buffer"], result: "i32", nonblocking: true },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  if_indextoname: { parameters: ["u32", "buffer"], result: "pointer" },
  inet_ntop: { parameters: ["i32", "buffer", "buffer", "u32"], result: "pointer" },
  inet_pton: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  // variadic in C, see fcntl
  ioctl: { parameters: ["i32", "u32", "buffer"], result: "i32" },
  isatty: { parameters: ["i32"], result: "i32" },
  listen: { parameters: ["i32", "i32"], result: "i32" },
  // variadic as well: the mode is only read when a file is made
  open: { parameters: ["buffer", "i32"], result: "i32" },
  pipe2: { parameters: ["buffer", "i32"], result: "i32" },
  poll: { parameters: ["buffer", "u32", "i32"], result: "i32" },
  recv: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  send: { parameters: ["i32", "buffer", "u32", "i32"], result: "i32" },
  setrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  shutdown: { parameters: ["i32", "i32"], result: "i32" },
  signal: { parameters: ["i32", "usize"], result: "pointer" },
  socket: { parameters: ["i32", "i32", "i32"], result: "i32" },
  splice: { parameters: ["i32", "pointer", "i32", "pointer", "u32", "u32"], result: "i32" },
  statx: { parameters: ["i32", "buffer", "i32", "u32", "buffer"], result: "i32" },
  sysconf: { parameters: ["i32"], result: "i32" },
  timerfd_create: { parameters: ["i32", "i32"], result: "i32" },
  timerfd_settime: { parameters: ["i32", "i32", "buffer", "pointer"], result: "i32" },
  waitpid: { parameters: ["i32", "buffer", "i32"], result: "i32" },
  write: { parameters: ["i32", "buffer", "u32"], result: "i32" },
}).symbols;
