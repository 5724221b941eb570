// What every relay Worker counts, in shared memory.
import { Counters } from "../reactor/counters.ts";

/** The columns of a relay Worker's row. */
export const RELAY_COLUMNS = [
  "sessionsOpened",
  "sessionsEnded",
  "sessionsReset",
  "sessionsRefused",
  "proxyConnsOpened",
  "proxyConnsClosed",
  "noticeConnsOpened",
  "noticeConnsClosed",
  "bytesToProxy",
  "bytesFromProxy",
] as const;

/** A name of {@linkcode RELAY_COLUMNS}. */
export type RelayColumn = typeof RELAY_COLUMNS[number];

/** Column numbers, for the hot path. */
export const Count: { readonly [Name in RelayColumn]: number } = Object.fromEntries(
  RELAY_COLUMNS.map((name, column) => [name, column]),
) as { [Name in RelayColumn]: number };

/**
 * The table of all relay Workers of a program.
 *
 * @param workers How many there are.
 * @param memory The memory of the table made by the supervisor; left out there.
 */
export function relayCounters(workers: number, memory?: SharedArrayBuffer): Counters<RelayColumn> {
  return new Counters(RELAY_COLUMNS, workers, memory);
}
