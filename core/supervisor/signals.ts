// The signals of a program, from its first moment on. It knows what a signal asks for, and not how a program does it.
import { log } from "../logging/logging.ts";

/** A signal that ends a program. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** What signals ask a program for. */
export interface SignalEvents {
  /** It is to stop; called again for each signal after the first one. */
  onStop(signal: StopSignal): void;
  /** It is to log its counters. */
  onCounters(): void;
}

/** Ms within which the same signal is one: timeout(1), for one, signals a program and then the group that it is in. */
const SAME_MS = 200;

/** Tells new signals from the repetitions of one. */
export class SignalFilter {
  #last: string | null = null;
  #lastMs = 0;

  /**
   * Whether a signal is a new one, and not the one before once more.
   *
   * @param signal Its name.
   * @param nowMs When it came, in ms of a clock that only goes forward.
   */
  isNew(signal: string, nowMs: number): boolean {
    if (signal === this.#last && nowMs - this.#lastMs < SAME_MS) return false;
    this.#last = signal;
    this.#lastMs = nowMs;
    return true;
  }
}

let events: SignalEvents;

/**
 * Listens to all signals that a program has a use for. Main isolate only, once, before anything takes time: with its first
 * listener Deno also takes SIGHUP, SIGINT and SIGTERM, even where nohup(1) has them ignored, and ends the program by abort(3)
 * when one comes that nobody listens to and that the kernel keeps from the first process of a container.
 *
 * @param first What signals do until {@linkcode onSignals} is called.
 */
export function listenToSignals(first: SignalEvents): void {
  events = first;
  const filter = new SignalFilter();
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    Deno.addSignalListener(signal, () => {
      if (filter.isNew(signal, performance.now())) events.onStop(signal);
    });
  }
  Deno.addSignalListener("SIGHUP", () => {
    log("info", "SIGHUP changes nothing: restart the program to read its settings again");
  });
  // not SIGUSR1, which makes Deno open its debugger
  Deno.addSignalListener("SIGUSR2", () => events.onCounters());
}

/** Says what signals do from now on. */
export function onSignals(handlers: SignalEvents): void {
  events = handlers;
}
