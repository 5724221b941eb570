// Whether sessions of a tunnel may connect to its LocalServer: not while it is found out whether that leads back to the
// tunnel's own public port, and not after it did.

import type { GateStep } from "../worker_config.ts";

/** Wants to connect. */
export interface GateVisitor {
  /** It may connect now. Called once, not after {@linkcode LoopGate.forget}. */
  onAdmitted(): void;
  /** It may not. */
  onBarred(): void;
}

/** Ms for which a gate is barred: the configuration or a name may be mended meanwhile. */
const BARRED_MS = 60_000;

/** One tunnel's gate in one relay Worker. One thread. */
export class LoopGate {
  #isHeld = false;
  #barredUntil = -Infinity;
  readonly #waiting: GateVisitor[] = [];

  /** Whether it is open for everybody. */
  isOpen(now: number): boolean {
    return !this.#isHeld && now >= this.#barredUntil;
  }

  /** Somebody comes to a gate that is not open: one that waits, or is told at once that it may not connect. */
  arrive(visitor: GateVisitor, now: number): void {
    if (now < this.#barredUntil) visitor.onBarred();
    else this.#waiting.push(visitor);
  }

  /** A visitor waits no more. */
  forget(visitor: GateVisitor): void {
    const at = this.#waiting.indexOf(visitor);
    if (at >= 0) this.#waiting.splice(at, 1);
  }

  /** Does what the supervisor says. */
  step(step: GateStep, now: number): void {
    this.#isHeld = step === "hold" || step === "release" || step === "turn_away";
    if (step === "bar") this.#barredUntil = now + BARRED_MS;
    if (step === "hold") return;
    for (const visitor of this.#waiting.splice(0)) {
      if (step === "bar" || step === "turn_away") visitor.onBarred();
      else visitor.onAdmitted();
    }
  }
}
