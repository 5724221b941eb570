// epoll(7): the interest list and the ready list, with the two layouts of struct epoll_event.
import type { Descriptor } from "./descriptor.ts";
import { checked, errno } from "./errno.ts";
import { libc } from "./libc.ts";

/** Event bits of epoll_ctl(2). */
export const Epoll = {
  IN: 0x001,
  /** Urgent data has come (tcp(7)), and was not read yet. */
  PRI: 0x002,
  OUT: 0x004,
  ERR: 0x008,
  HUP: 0x010,
  RDHUP: 0x2000,
  /** Edge-triggered. Bit 31, hence negative as a 32-bit integer. */
  ET: 1 << 31,
} as const;

const EPOLL_CLOEXEC = 0o2000000;
const CTL_ADD = 1;
const CTL_DEL = 2;
const CTL_MOD = 3;

// struct epoll_event is packed to 12 bytes on x86_64 only (epoll.h: EPOLL_PACKED); elsewhere data is 8-byte aligned
const packed = Deno.build.arch === "x86_64";
const EVENT_WORDS = packed ? 3 : 4;
const DATA_WORD = packed ? 1 : 2;

/**
 * One epoll instance with its buffer of ready events. Each registration carries a token of two 32-bit words that comes
 * back with its events. Use it from one thread only.
 */
export class Poller {
  readonly #epoll: Descriptor;
  readonly #ready: Int32Array<ArrayBuffer>;
  readonly #capacity: number;
  readonly #one = new Int32Array(EVENT_WORDS);

  /**
   * Makes an epoll instance with an empty interest list.
   *
   * @param capacity How many events one `wait` can return, 1 or more.
   * @throws {SystemError} When the kernel has no descriptor left for it.
   */
  constructor(capacity = 512) {
    this.#epoll = checked(epollCreate(), "epoll_create1", "starting an event loop") as Descriptor;
    this.#capacity = capacity;
    this.#ready = new Int32Array(EVENT_WORDS * capacity);
  }

  /**
   * Registers a descriptor.
   *
   * @param fd The descriptor.
   * @param events Bits of {@linkcode Epoll}.
   * @param tag Comes back from {@linkcode tagAt} with the descriptor's events.
   * @returns 0, or a negated errno.
   */
  add(fd: Descriptor, events: number, tag: number): number {
    return this.#control(CTL_ADD, fd, events, tag);
  }

  /**
   * Changes the events of a registered descriptor.
   *
   * @param fd The descriptor.
   * @param events Bits of {@linkcode Epoll}; 0 pauses it.
   * @param tag As for {@linkcode add}.
   * @returns 0, or a negated errno.
   */
  modify(fd: Descriptor, events: number, tag: number): number {
    return this.#control(CTL_MOD, fd, events, tag);
  }

  /**
   * Takes a descriptor off the list, as must be done before another Worker gets it.
   *
   * @param fd The descriptor.
   * @returns 0, or a negated errno.
   */
  remove(fd: Descriptor): number {
    return this.#control(CTL_DEL, fd, 0, 0);
  }

  #control(operation: number, fd: Descriptor, events: number, tag: number): number {
    const one = this.#one;
    one[0] = events;
    one[DATA_WORD] = fd;
    one[DATA_WORD + 1] = tag;
    const result = libc.epoll_ctl(this.#epoll, operation, fd, one);
    return result < 0 ? -errno[0] : result;
  }

  /**
   * Waits for events.
   *
   * @param timeoutMs Milliseconds; 0 returns at once, -1 waits for ever.
   * @returns The number of events, or a negated errno (EINTR after SIGSTOP and SIGCONT).
   */
  wait(timeoutMs: number): number {
    const result = libc.epoll_wait(this.#epoll, this.#ready, this.#capacity, timeoutMs);
    return result < 0 ? -errno[0] : result;
  }

  /** Whether so many events are as many as {@linkcode wait} can return: then there may be more. */
  isFull(count: number): boolean {
    return count === this.#capacity;
  }

  /** The event bits of the i-th event of the last {@linkcode wait}. */
  eventsAt(i: number): number {
    return this.#ready[i * EVENT_WORDS];
  }

  /** The descriptor of the i-th event of the last {@linkcode wait}. */
  fdAt(i: number): number {
    return this.#ready[i * EVENT_WORDS + DATA_WORD];
  }

  /** The tag of the i-th event of the last {@linkcode wait}. */
  tagAt(i: number): number {
    return this.#ready[i * EVENT_WORDS + DATA_WORD + 1];
  }

  /** Closes the epoll instance; its registrations end with it. */
  close(): void {
    libc.close(this.#epoll);
  }
}

function epollCreate(): number {
  const result = libc.epoll_create1(EPOLL_CLOEXEC);
  return result < 0 ? -errno[0] : result;
}
