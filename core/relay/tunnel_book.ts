// The supervisor's book of tunnels: which row of the counters is whose. It opens nothing and counts nothing.
import type { LogFields } from "../reactor/log_record.ts";
import { type RelayCounters, sessionsUnderWay, TUNNEL_COLUMNS, type TunnelCounts, type TunnelRow } from "./counters.ts";

/** The control Worker tells the supervisor that a tunnel is up, or is not any more. */
export interface TunnelReport {
  /** Tells reports apart. */
  readonly kind: "tunnel";
  /** Its row. */
  readonly row: TunnelRow;
  /** Whether visitors can come. */
  readonly up: boolean;
  /** Its name and addresses, for people. */
  readonly fields: LogFields;
  /** What had been counted in this row before, for another tunnel; null when that is nothing. */
  readonly before: TunnelCounts | null;
}

/** A tunnel that is up, or has sessions. */
export interface TunnelEntry {
  /** Whether visitors can come. */
  readonly up: boolean;
  /** Its name and addresses, for people. */
  readonly fields: LogFields;
  /** Sessions under way. */
  readonly sessions: number;
  /** What was counted since the tunnel has its row. */
  readonly counts: TunnelCounts;
}

/** See the file's head. Main isolate only. */
export class TunnelBook {
  readonly #counters: RelayCounters;
  readonly #reports = new Map<TunnelRow, TunnelReport>();

  /** Makes an empty book. */
  constructor(counters: RelayCounters) {
    this.#counters = counters;
  }

  /** A tunnel has come up or gone down. One that has gone stays for its sessions, until another one has its row. */
  note(report: TunnelReport): void {
    this.#reports.set(report.row, report);
  }

  /** The tunnels that are up or have sessions. */
  *entries(): Generator<TunnelEntry, void> {
    for (const { row, up, fields, before } of this.#reports.values()) {
      const now = this.#counters.tunnel(row);
      const counts = before === null ? now : since(before, now);
      const sessions = sessionsUnderWay(counts);
      if (up || sessions > 0) yield { up, fields, sessions, counts };
    }
  }
}

function since(before: TunnelCounts, now: TunnelCounts): TunnelCounts {
  const counts = TUNNEL_COLUMNS.map((name) => [name, now[name] - before[name]]);
  return Object.fromEntries(counts) as TunnelCounts;
}
