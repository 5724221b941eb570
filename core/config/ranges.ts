// Ranges as a user writes them: of ports ([8000-8010, 9000]) and of addresses ([198.51.100.7, 192.0.2.0/24]). It opens none
// and compares nothing with them.

import { parsePort } from "./endpoint.ts";
import { formatRange, MAX_RANGES, readRange, wholeRange } from "../protocol/address_range.ts";
import { describeValue, quote, UnexpectedValueError } from "./config_error.ts";
import type { ValueKind } from "./value_kind.ts";

/** Ports from `low` to `high`, both included; 1 to 65535. */
export interface PortRange {
  /** The lowest. */
  readonly low: number;
  /** The highest; not below `low`. */
  readonly high: number;
}

const PORTS_EXPECTED = "ports from 1 to 65535 and ranges of them, as in [8000-8010, 9000]";

/** A list of ports and ranges, or a single one; read into ranges in rising order, none of which touches another. */
export const portRanges: ValueKind<readonly PortRange[]> = {
  placeholder: "PORTS",
  expected: PORTS_EXPECTED,
  read(value) {
    const entries = Array.isArray(value) ? value : [value];
    if (entries.length === 0) throw new UnexpectedValueError(PORTS_EXPECTED, describeValue(value));
    return joined(entries.map(portRange));
  },
};

/** Writes ranges as {@linkcode portRanges} reads them, without the brackets. */
export function formatPortRanges(ranges: readonly PortRange[]): string {
  return ranges.map(({ low, high }) => low === high ? `${low}` : `${low}-${high}`).join(", ");
}

function portRange(value: unknown): PortRange {
  if (typeof value !== "string") throw new UnexpectedValueError(PORTS_EXPECTED, describeValue(value));
  const ends = value.split("-");
  if (ends.length > 2) throw new UnexpectedValueError(PORTS_EXPECTED, describeValue(value));
  try {
    const [low, high = low] = ends.map((end) => parsePort(end.trim(), 1));
    if (low <= high) return { low, high };
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
  }
  throw new UnexpectedValueError(PORTS_EXPECTED, describeValue(value));
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

/**
 * Addresses and CIDR ranges, each kept as one text, with its bits: a list in YAML, divided by commas in a flag.
 *
 * @param noList The word for having no list, which is read as an empty one.
 */
export function addressRanges(noList: "all" | "none"): ValueKind<string[]> {
  const expected = `${noList}, or 1 to ${MAX_RANGES} addresses and CIDR ranges such as 198.51.100.7, 192.0.2.0/24 or ` +
    "2001:db8::/32";
  return {
    placeholder: "RANGES",
    expected,
    read: (value) => {
      if (value === noList) return [];
      const parts: unknown[] = typeof value === "string" ? value.split(",") : Array.isArray(value) ? value : [];
      if (parts.length > MAX_RANGES) throw new UnexpectedValueError(expected, `${parts.length} of them`);
      if (parts.length === 0) throw new UnexpectedValueError(expected, describeValue(value));
      return parts.map((part) => {
        if (typeof part === "string") return parseRange(part.trim(), expected);
        throw new UnexpectedValueError(expected, describeValue(part));
      });
    },
  };
}

/**
 * Reads an address or a range, and writes it with its bits. What is IPv4 in the form of IPv6 (`::ffff:192.0.2.0/120`)
 * becomes IPv4: that is how its owner connects.
 */
function parseRange(text: string, expected: string): string {
  const range = readRange(text);
  if (range === null) throw new UnexpectedValueError(expected, quote(text));
  const whole = formatRange(wholeRange(range));
  if (whole !== formatRange(range)) {
    throw new UnexpectedValueError(`the first address of the range, as in ${whole}`, quote(text));
  }
  return whole;
}
