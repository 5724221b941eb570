// The pipes of one relay Worker. One passes from direction to direction; more are made only while destinations block.
import { close } from "../../ffi/descriptor.ts";
import { Errno } from "../../ffi/errno.ts";
import { getPipeCapacity, openPipe, pageBytes, type PipeEnds, setPipeCapacity } from "../../ffi/pipe.ts";

/**
 * Bytes of capacity asked for, in this order, for one pipe, the large one: it is the one that is used most, and the
 * more slots it has, the larger a read can prove that its source is empty (see Flow). Only root gets the first size
 * (pipe(7)).
 */
const LARGE_CAPACITIES = [1 << 22, 1 << 20, 1 << 18];
/** Bytes of capacity of the others; the kernel may give less to an unprivileged user, and any size works. */
const OTHER_CAPACITIES = [1 << 18];
/** Empty pipes that are kept for the next time. */
const MOST_IDLE = 16;

/** A pipe that is empty whenever it is in the pool. */
export interface Pipe extends PipeEnds {
  /** How many segments it can hold: a pipe fills by slots, not by bytes. */
  readonly slots: number;
  /** Bytes in it, as its borrower has counted them. */
  held: number;
}

/** Lends pipes to directions. One thread. */
export class PipePool {
  readonly #most: number;
  readonly #pageBytes: number;
  /** The large one, lent before all others. */
  #large: Pipe | null = null;
  #largeIsIdle = false;
  readonly #idle: Pipe[] = [];
  #open = 0;

  /**
   * Makes the pool with its first pipe, if there can be one.
   *
   * @param most How many pipes it may have at a time, 0 up: each takes two descriptors. Default: any number.
   * @param page Bytes of capacity for each slot. Default: a page of this host.
   */
  constructor(most = Infinity, page = pageBytes()) {
    this.#most = most;
    this.#pageBytes = page;
    this.#largeIsIdle = typeof this.#make() !== "number";
  }

  /** How many pipes exist, lent or not. */
  get open(): number {
    return this.#open;
  }

  /** How many pipes wait to be lent. */
  get idle(): number {
    return this.#idle.length + (this.#largeIsIdle ? 1 : 0);
  }

  /** Lends an empty pipe; null when the process has no descriptors for another one. */
  take(): Pipe | null {
    if (this.#largeIsIdle) {
      this.#largeIsIdle = false;
      return this.#large;
    }
    const pipe = this.#idle.pop() ?? this.#make();
    return typeof pipe === "number" ? null : pipe;
  }

  /** Takes a lent pipe back. It must be empty. */
  give(pipe: Pipe): void {
    if (pipe === this.#large) this.#largeIsIdle = true;
    else if (this.#idle.length < MOST_IDLE - 1) this.#idle.push(pipe);
    else this.discard(pipe);
  }

  /** Closes a lent pipe that may still hold bytes of a session that failed. */
  discard(pipe: Pipe): void {
    close(pipe.readEnd);
    close(pipe.writeEnd);
    this.#open--;
    if (pipe === this.#large) this.#large = null;
  }

  #make(): Pipe | number {
    if (this.#open >= this.#most) return -Errno.EMFILE;
    const ends = openPipe();
    if (typeof ends === "number") return ends;
    const capacities = this.#large === null ? LARGE_CAPACITIES : OTHER_CAPACITIES;
    capacities.some((bytes) => setPipeCapacity(ends.readEnd, bytes) >= 0);
    this.#open++;
    const slots = Math.max(1, Math.floor(getPipeCapacity(ends.readEnd) / this.#pageBytes));
    const pipe = { readEnd: ends.readEnd, writeEnd: ends.writeEnd, slots, held: 0 };
    this.#large ??= pipe;
    return pipe;
  }

  /** Closes the pipes that are not lent. */
  dispose(): void {
    if (this.#largeIsIdle) this.#idle.push(this.#large!);
    this.#largeIsIdle = false;
    for (const pipe of this.#idle.splice(0)) this.discard(pipe);
  }
}
