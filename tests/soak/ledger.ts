// What the ends of the visits counted themselves, and what was wrong. It knows no program.

import { type TunnelName, TUNNELS } from "./plan.ts";

/** What one end of a tunnel's visits sent and received, all visits together. */
export interface Tally {
  conns: number;
  sent: number;
  received: number;
}

/** How a visit went, for those that may have ended in several ways. */
export const OUTCOMES = ["whole", "turnedAway", "cutOff"] as const;

/** A name of {@linkcode OUTCOMES}. */
export type Outcome = typeof OUTCOMES[number];

/** The books of one part of the run. Between two parts no visit is under way. */
export class Ledger {
  /** Whether programs are killed meanwhile, so that sessions may be cut off. */
  readonly lethal: boolean;
  readonly visitors: Readonly<Record<TunnelName, Tally>> = tallies();
  readonly services: Readonly<Record<TunnelName, Tally>> = tallies();
  /** Of the visits to the exact service. */
  readonly outcomes: Record<Outcome, number> = { whole: 0, turnedAway: 0, cutOff: 0 };
  /** Connections to the exact service that were reset before their first byte: sessions that found their ProxyConn dead. */
  blank = 0;
  /** What must not be. */
  readonly wrong: string[] = [];

  constructor(lethal: boolean) {
    this.lethal = lethal;
  }
}

function tallies(): Record<TunnelName, Tally> {
  return Object.fromEntries(TUNNELS.map((name) => [name, { conns: 0, sent: 0, received: 0 }])) as Record<
    TunnelName,
    Tally
  >;
}

/** Adds one connection to a tally. */
export function count(tally: Tally, { sent, received }: { readonly sent: number; readonly received: number }): void {
  tally.conns++;
  tally.sent += sent;
  tally.received += received;
}
