// Listens to signals from the first moment of a program. It knows the meaning of each signal, and not how a program obeys.
import { log } from "../logging/logging.ts";

/** A signal that ends a program. */
export type StopSignal = "SIGTERM" | "SIGINT";

/** The two things that signals can ask for. */
export interface SignalEvents {
  /** The program is to stop; called again for each signal after the first one. */
  onStop(signal: StopSignal): void;
  /** The program is to log its counters. */
  onCounters(): void;
}

/**
 * Ms within which the same signal counts once: timeout(1), for one, signals a program and then the group of that
 * program.
 */
const SAME_MS = 200;

/** Tells a new signal from the same signal once more. */
export class SignalFilter {
  #last: string | null = null;
  #lastMs = 0;

  /**
   * Whether a signal is new, and not the signal before once more.
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
 * Listens to all signals that a program has a use for. Main isolate only, once, before anything that takes time. With the
 * first listener Deno handles SIGHUP, SIGINT and SIGTERM too, even under nohup(1). Such a signal without a listener then
 * ends the program. The kernel does not end the first process of a container so, and Deno falls back to abort(3): a crash.
 *
 * @param first The handlers until {@linkcode onSignals} is called.
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

/** Sets the handlers from now on. */
export function onSignals(handlers: SignalEvents): void {
  events = handlers;
}
