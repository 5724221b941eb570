// Address ranges as they travel in NewTunnelReq: from text to the bits that a matcher compares. It must never know what a
// range is for.
import { addressOfIp, internetAddress, IP_WORDS, ipOf, readIp } from "../../ffi/socket_address.ts";

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
 * Reads a numeric address, alone or with a slash and how many of its bits count; the others need not be 0.
 *
 * @returns null if `text` is none.
 */
export function readRange(text: string): AddressRange | null {
  const [, ip, count] = /^([0-9a-f:.]{2,45})(?:\/(0|[1-9]\d{0,2}))?$/i.exec(text) ?? [];
  const address = ip === undefined ? null : internetAddress(ip, 0);
  if (address === null) return null;
  const words = new Int32Array(IP_WORDS);
  readIp(address.bytes, words);
  const bits = count === undefined ? 128 : Number(count) + (ip.includes(":") ? 0 : MAPPED_BITS);
  const [a, b, c, d] = words;
  return bits > 128 ? null : { ip: [a, b, c, d], bits };
}

/** The range that a range's address is in: its other bits are 0. */
export function wholeRange({ ip: [a, b, c, d], bits }: AddressRange): AddressRange {
  return { ip: [a & maskWord(bits, 0), b & maskWord(bits, 1), c & maskWord(bits, 2), d & maskWord(bits, 3)], bits };
}

/** Writes a range with its bits, IPv6 in its shortest form, and as IPv4 what is IPv4 in the form of IPv6. */
export function formatRange({ ip, bits }: AddressRange): string {
  const text = ipOf(addressOfIp(ip));
  return `${text}/${text.includes(":") ? bits : bits - MAPPED_BITS}`;
}

/**
 * Reads a range as it travels: a numeric address, a slash, and how many of its bits count; the other bits are 0.
 *
 * @returns null if `text` is none.
 */
export function parseAddressRange(text: string): AddressRange | null {
  const range = text.includes("/") ? readRange(text) : null;
  return range !== null && range.ip.every((word, at) => (word & ~maskWord(range.bits, at)) === 0) ? range : null;
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
