// What counts as one peer when strangers and failures are counted. It knows no connection.
import { Family, IP_WORDS, isIpv4, readIp, type SocketAddress } from "../../../ffi/socket_address.ts";

const ip = new Int32Array(IP_WORDS);

/**
 * The network of an address, as a short key: an IPv4 address, also one that came by IPv6 (`::ffff:192.0.2.1`); or the
 * first 64 bits of an IPv6 address, the least that anybody gets: one host has 2^64 addresses there to choose from.
 */
export function networkOf({ family, bytes }: SocketAddress): string {
  if (family === Family.UNIX) return "unix";
  readIp(bytes, ip);
  return isIpv4(ip) ? `${ip[3]}` : `${ip[0]}:${ip[1]}`;
}
