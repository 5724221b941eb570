// Address ranges as they travel in NewTunnelReq: from text to the bits that a matcher compares. It must never know what a
// range is for.
import { internetAddress, IP_WORDS, readIp } from "../../ffi/socket_address.ts";

/** The most ranges of one list. */
export const MAX_RANGES = 64;

/** The longest range as text, in characters. */
export const LONGEST_RANGE = 49;

/** The bits in front of an IPv4 address in its IPv6 form. */
export const MAPPED_BITS = 96;

/** All addresses that begin with the same bits. IPv4 ones are in their IPv6 form, with 96 bits more. */
export interface AddressRange {
  /** The first address, as `readIp` writes it. */
  readonly ip: readonly [number, number, number, number];
  /** How many bits count, 0..128. */
  readonly bits: number;
}

/**
 * Reads a range: a numeric address, a slash, and how many of its bits count; the other bits are 0.
 *
 * @returns null if `text` is none.
 */
export function parseAddressRange(text: string): AddressRange | null {
  const parts = /^([0-9a-f:.]{2,45})\/(0|[1-9]\d{0,2})$/i.exec(text);
  const address = parts === null ? null : internetAddress(parts[1], 0);
  if (parts === null || address === null) return null;
  const words = new Int32Array(IP_WORDS);
  readIp(address.bytes, words);
  const bits = Number(parts[2]) + (parts[1].includes(":") ? 0 : MAPPED_BITS);
  if (bits > 128 || words.some((word, at) => (word & ~maskWord(bits, at)) !== 0)) return null;
  const [a, b, c, d] = words;
  return { ip: [a, b, c, d], bits };
}

/**
 * Reads ranges that were found right before.
 *
 * @throws {TypeError} If one is none.
 */
export function addressRanges(texts: readonly string[]): AddressRange[] {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (range === null) throw new TypeError(`Cannot read the address range "${text}"`);
    return range;
  });
}

/** The bits of word `at`, 0..3, that count in a range of `bits` bits. */
export function maskWord(bits: number, at: number): number {
  const count = Math.min(Math.max(bits - 32 * at, 0), 32);
  // a shift by 32 is one by 0
  return count === 0 ? 0 : -1 << (32 - count);
}
