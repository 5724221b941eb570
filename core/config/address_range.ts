// Address ranges as a user writes them, and the one text that each is kept as. It compares no address with a range.

import { quote, UnexpectedValueError } from "./config_error.ts";
import { isIpv4, isIpv6 } from "./endpoint.ts";

/** The most ranges of one list. */
export const MAX_RANGES = 64;

/**
 * Reads `address` or `address/bits`, IPv4 or IPv6, and writes it with its bits, IPv6 in its shortest form. What is
 * IPv4 in the form of IPv6 (`::ffff:192.0.2.0/120`) becomes IPv4: that is how its owner connects.
 *
 * @param expected What the message says would be right.
 * @throws {UnexpectedValueError} If it is none, or if bits behind those that count are set.
 */
export function parseRange(text: string, expected: string): string {
  const [, address, bitsText] = /^([^/]*)(?:\/(0|[1-9]\d{0,2}))?$/.exec(text) ?? [];
  const groups = address === undefined
    ? null
    : isIpv4(address)
    ? mapped(address)
    : isIpv6(address)
    ? full(address)
    : null;
  if (groups === null) throw new UnexpectedValueError(expected, quote(text));
  const offset = address!.includes(":") ? 0 : 96;
  const bits = bitsText === undefined ? 128 : Number(bitsText) + offset;
  if (bits > 128) throw new UnexpectedValueError(`${expected}, with at most ${128 - offset} bits`, quote(text));
  const first = groups.map((group, at) => group & (0xffff << Math.min(Math.max(16 * (at + 1) - bits, 0), 16)) & 0xffff);
  const right = written(first, bits);
  if (first.some((group, at) => group !== groups[at])) {
    throw new UnexpectedValueError(`the first address of the range, as in ${right}`, quote(text));
  }
  return right;
}

/** The eight groups of an IPv6 address. */
function full(address: string): number[] {
  // The URL parser knows every form of RFC 4291, and writes the shortest one of RFC 5952 without dots.
  const [front, back] = new URL(`http://[${address}]/`).hostname.slice(1, -1).split("::").map((half) =>
    half === "" ? [] : half.split(":").map((group) => parseInt(group, 16))
  );
  return back === undefined ? front! : [...front!, ...Array(8 - front!.length - back.length).fill(0), ...back];
}

/** The eight groups of an IPv4 address in its IPv6 form. */
function mapped(address: string): number[] {
  return full(`::ffff:${address}`);
}

function written(groups: readonly number[], bits: number): string {
  if (bits >= 96 && groups[5] === 0xffff && groups.slice(0, 5).every((group) => group === 0)) {
    const bytes = groups.slice(6).flatMap((group) => [group >> 8, group & 0xff]);
    return `${bytes.join(".")}/${bits - 96}`;
  }
  const hex = groups.map((group) => group.toString(16)).join(":");
  return `${new URL(`http://[${hex}]/`).hostname.slice(1, -1)}/${bits}`;
}
