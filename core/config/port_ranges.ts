// Ports and ranges of ports as a user writes them in YAML: [8000-8010, 9000]. It opens none of them.

import { parsePort } from "./endpoint.ts";
import { describeValue, UnexpectedValueError } from "./config_error.ts";
import type { ValueKind } from "./value_kind.ts";

/** Ports from `low` to `high`, both included; 1 to 65535. */
export interface PortRange {
  /** The lowest. */
  readonly low: number;
  /** The highest; not below `low`. */
  readonly high: number;
}

const EXPECTED = "ports from 1 to 65535 and ranges of them, as in [8000-8010, 9000]";

/** A list of ports and ranges, or a single one; read into ranges in rising order, none of which touches another. */
export const portRanges: ValueKind<readonly PortRange[]> = {
  placeholder: "PORTS",
  expected: EXPECTED,
  read(value) {
    const entries = Array.isArray(value) ? value : [value];
    if (entries.length === 0) throw new UnexpectedValueError(EXPECTED, describeValue(value));
    return joined(entries.map(readRange));
  },
};

/** Writes ranges as {@linkcode portRanges} reads them, without the brackets. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ low, high }) => low === high ? `${low}` : `${low}-${high}`).join(", ");
}

function readRange(value: unknown): PortRange {
  if (typeof value !== "string") throw new UnexpectedValueError(EXPECTED, describeValue(value));
  const ends = value.split("-");
  if (ends.length > 2) throw new UnexpectedValueError(EXPECTED, describeValue(value));
  try {
    const [low, high = low] = ends.map((end) => parsePort(end.trim(), 1));
    if (low <= high) return { low, high };
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
  }
  throw new UnexpectedValueError(EXPECTED, describeValue(value));
}

function joined(ranges: readonly PortRange[]): PortRange[] {
  const result: PortRange[] = [];
  for (const range of ranges.toSorted((a, b) => a.low - b.low)) {
    const last = result.at(-1);
    if (last === undefined || range.low > last.high + 1) result.push(range);
    else if (range.high > last.high) result[result.length - 1] = { low: last.low, high: range.high };
  }
  return result;
}
