// Which addresses may connect: an allow list and a deny list. It must never know sockets or tunnels.
import { isIpv4 } from "../../../ffi/socket_address.ts";
import { type AddressRange, MAPPED_BITS, maskWord } from "../../protocol/address_range.ts";

/** Ranges of one family side by side, so that a look at them allocates nothing: `width` words of address, then of mask. */
class RangeTable {
  readonly #words: Int32Array;
  readonly #width: number;
  readonly #skip: number;

  /** `width` is how many of the last words of an address count: 1 for IPv4, 4 for IPv6. */
  constructor(ranges: readonly AddressRange[], width: 1 | 4) {
    this.#width = width;
    this.#skip = 4 - width;
    this.#words = Int32Array.from(ranges.flatMap(({ ip, bits }) => {
      const masks = [0, 1, 2, 3].map((at) => maskWord(bits, at));
      return [...ip.slice(this.#skip), ...masks.slice(this.#skip)];
    }));
  }

  has(ip: Int32Array): boolean {
    const words = this.#words;
    const width = this.#width;
    const skip = this.#skip;
    for (let range = 0; range < words.length; range += 2 * width) {
      let at = 0;
      while (at < width && (ip[skip + at] & words[range + width + at]) === words[range + at]) at++;
      if (at === width) return true;
    }
    return false;
  }
}

/** One list. IPv4 addresses are looked up among the IPv4 ranges only: `::/0` is all of IPv6 and nothing else. */
class AddressList {
  readonly #v4: RangeTable;
  readonly #v6: RangeTable;

  constructor(ranges: readonly AddressRange[]) {
    const mapped = ({ ip, bits }: AddressRange) => bits >= MAPPED_BITS && isIpv4(ip);
    this.#v4 = new RangeTable(ranges.filter(mapped), 1);
    this.#v6 = new RangeTable(ranges.filter((range) => !mapped(range)), 4);
  }

  has(ip: Int32Array): boolean {
    return isIpv4(ip) ? this.#v4.has(ip) : this.#v6.has(ip);
  }
}

/** Which addresses may connect. It does not change. */
export class AddressFilter {
  readonly #allow: AddressList | null;
  readonly #deny: AddressList;

  /**
   * Makes a filter.
   *
   * @param allow Addresses that may connect; empty is all.
   * @param deny Addresses that may not, even if `allow` has them.
   */
  constructor(allow: readonly AddressRange[], deny: readonly AddressRange[]) {
    this.#allow = allow.length === 0 ? null : new AddressList(allow);
    this.#deny = new AddressList(deny);
  }

  /**
   * Whether an address may connect. It allocates nothing.
   *
   * @param ip As `readIp` writes it.
   */
  admits(ip: Int32Array): boolean {
    if (this.#deny.has(ip)) return false;
    return this.#allow === null || this.#allow.has(ip);
  }
}
