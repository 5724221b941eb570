// The words that all Workers and the supervisor share: which Workers sleep, which are alive, and the phase of the program.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { signalEventfd } from "../../ffi/eventfd.ts";
import { takeMinute } from "./minute.ts";

/** Where the program is in its life; it only goes forward. */
export const Phase = {
  /** Serving. */
  RUN: 0,
  /** Takes no new work and lets sessions finish. */
  DRAIN: 1,
  /** Loops end. */
  STOP: 2,
} as const;

const PHASE = 0;
const SHORTAGE_TOLD = 1;
const ROW_WORDS = 16;
const SLEEPING = 0;
const TURNS = 1;
const POSTS_HEARD = 2;
/** Every so many posts heard wake a Worker that may wait for the supervisor to catch up. */
const WAKE_EVERY = 1024;

/**
 * A view on the shared words; one per thread. Workers are numbered from 0. The first row is the program's, then each
 * Worker has one, a cache line long.
 */
export class SharedState {
  readonly #words: Int32Array;
  readonly #wakeFds: readonly Descriptor[];

  /**
   * Lays the view over memory.
   *
   * @param memory Made by {@linkcode SharedState.allocate}.
   * @param wakeFds The eventfd of each Worker, by number.
   */
  constructor(memory: SharedArrayBuffer, wakeFds: readonly Descriptor[]) {
    this.#words = new Int32Array(memory);
    this.#wakeFds = wakeFds;
  }

  /** Makes the memory for so many Workers. */
  static allocate(workers: number): SharedArrayBuffer {
    return new SharedArrayBuffer((workers + 1) * ROW_WORDS * 4);
  }

  #row(worker: number): number {
    return (worker + 1) * ROW_WORDS;
  }

  /** A value of {@linkcode Phase}. */
  get phase(): number {
    return Atomics.load(this.#words, PHASE);
  }

  /** Moves the program to a later phase and wakes every Worker. */
  enterPhase(phase: number): void {
    if (phase <= this.phase) return;
    Atomics.store(this.#words, PHASE, phase);
    for (let worker = 0; worker < this.#wakeFds.length; worker++) signalEventfd(this.#wakeFds[worker]);
  }

  /** Whether a shortage may be told: of all Workers that ask within a minute, one is told so. */
  mayTellShortage(): boolean {
    return takeMinute(this.#words, SHORTAGE_TOLD);
  }

  /** Wakes a Worker if it sleeps: of many callers, one writes its eventfd. */
  wake(worker: number): void {
    const at = this.#row(worker) + SLEEPING;
    if (Atomics.load(this.#words, at) === 0) return;
    if (Atomics.exchange(this.#words, at, 0) === 1) signalEventfd(this.#wakeFds[worker]);
  }

  /** Says that a Worker is about to sleep; it must look for mail once more after this. */
  fallAsleep(worker: number): void {
    Atomics.store(this.#words, this.#row(worker) + SLEEPING, 1);
  }

  /** Says that a Worker is awake, and counts the turn. */
  wokeUp(worker: number): void {
    const row = this.#row(worker);
    Atomics.store(this.#words, row + SLEEPING, 0);
    this.#words[row + TURNS] = (this.#words[row + TURNS] + 1) | 0;
  }

  /** How many turns a Worker's loop has made, modulo 2^32. */
  turns(worker: number): number {
    return Atomics.load(this.#words, this.#row(worker) + TURNS);
  }

  /** Counts a post of a Worker that the supervisor has dealt with, and wakes the Worker now and then. */
  countPostHeard(worker: number): void {
    if ((Atomics.add(this.#words, this.#row(worker) + POSTS_HEARD, 1) + 1) % WAKE_EVERY === 0) this.wake(worker);
  }

  /** How many posts of a Worker the supervisor has dealt with so far, modulo 2^32. */
  postsHeard(worker: number): number {
    return Atomics.load(this.#words, this.#row(worker) + POSTS_HEARD);
  }
}
