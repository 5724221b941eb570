// What counts as one peer when strangers and failures are counted. It knows no connection.
import { Family, type SocketAddress } from "../../ffi/socket_address.ts";

const INET_OFFSET = 4;
const INET6_OFFSET = 8;

/**
 * The network of an address, as a short key: an IPv4 address, also one that came by IPv6 (`::ffff:192.0.2.1`); or the
 * first 64 bits of an IPv6 address, the least that anybody gets: one host has 2^64 addresses there to choose from.
 */
export function networkOf({ family, bytes }: SocketAddress): string {
  switch (family) {
    case Family.INET:
      return ipv4(bytes, INET_OFFSET);
    case Family.INET6:
      return isMapped(bytes)
        ? ipv4(bytes, INET6_OFFSET + 12)
        : bytes.subarray(INET6_OFFSET, INET6_OFFSET + 8).join(":");
    default:
      return "unix";
  }
}

function ipv4(bytes: Uint8Array, at: number): string {
  return bytes.subarray(at, at + 4).join(".");
}

/** Whether it is in ::ffff:0:0/96. */
function isMapped(bytes: Uint8Array): boolean {
  for (let i = 0; i < 10; i++) if (bytes[INET6_OFFSET + i] !== 0) return false;
  return bytes[INET6_OFFSET + 10] === 0xff && bytes[INET6_OFFSET + 11] === 0xff;
}
