// Which tunnel has which row of the counters: rows are given out, kept for tunnels that come back, and given to others. It
// knows neither ports nor clients.
import { type RelayCounters, sessionsUnderWay, type TunnelCounts, type TunnelRow } from "../../relay/counters.ts";

/** Rows that are kept for closed tunnels before another tunnel gets one. */
const KEPT = 1024;
/** Rows that are looked at for one without sessions, while there are unused rows: so a tunnel costs no more. */
const LOOKS = 8;

/** A row that belongs to a tunnel. */
export interface OwnedRow {
  /** Its number. */
  readonly row: TunnelRow;
  /** What had been counted there before, for another tunnel; null when that is nothing. */
  readonly before: TunnelCounts | null;
}

/** See the file's head. One thread. */
export class TunnelRows {
  readonly #counters: RelayCounters;
  /** Rows of tunnels that are gone, by their owners, the first gone first. */
  readonly #left = new Map<string, OwnedRow>();
  readonly #kept: number;
  #fresh = 0;

  /**
   * Makes it with all rows free.
   *
   * @param counters The counters whose rows these are.
   * @param kept How many rows are kept for tunnels that are gone, while there are others.
   */
  constructor(counters: RelayCounters, kept: number = KEPT) {
    this.#counters = counters;
    this.#kept = kept;
  }

  /** How many rows there are. */
  get most(): number {
    return this.#counters.tunnels;
  }

  /**
   * Gives a tunnel a row: the one that it had if there still is, so that it goes on counting, or another one, in which
   * nothing is counted any more.
   *
   * @param owner Names the tunnel; no other tunnel that is up has the same name.
   * @returns Null when every row has a tunnel, or one that is gone but still has sessions.
   */
  take(owner: string): OwnedRow | null {
    const own = this.#left.get(owner);
    if (own !== undefined) {
      this.#left.delete(owner);
      return own;
    }
    const isFresh = this.#fresh < this.#counters.tunnels;
    const used = this.#left.size >= this.#kept || !isFresh ? this.#takeQuiet(isFresh ? LOOKS : this.#left.size) : null;
    if (used !== null || !isFresh) return used;
    return { row: this.#fresh++ as TunnelRow, before: null };
  }

  /** The row of a tunnel that is gone and has no sessions left, the first gone first, of so many; others go to the end. */
  #takeQuiet(looks: number): OwnedRow | null {
    for (const [owner, owned] of this.#left) {
      if (looks-- === 0) break;
      this.#left.delete(owner);
      const before = this.#counters.tunnel(owned.row);
      if (sessionsUnderWay(before) === 0) return { row: owned.row, before };
      this.#left.set(owner, owned);
    }
    return null;
  }

  /** The tunnel is gone; it may come back. */
  leave(owner: string, row: OwnedRow): void {
    this.#left.set(owner, row);
  }
}
