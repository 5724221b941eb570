// Socket addresses in the kernel's layout (struct sockaddr_in, _in6, _un), from text and back.
import { libc } from "./libc.ts";

/** Address families of socket(2). */
export const Family = { UNIX: 1, INET: 2, INET6: 10 } as const;

const encoder = new TextEncoder();
const decoder = new TextDecoder();
const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
const PORT_OFFSET = 2;
const INET_OFFSET = 4;
const INET6_OFFSET = 8;
const INET6_SCOPE_OFFSET = 24;
/** Bytes of the name of an interface, with its final zero (IF_NAMESIZE). */
const MAX_INTERFACE_NAME = 16;
/** The longest path of a unix socket in bytes: sun_path has 108 with its final zero (unix(7)). */
export const MAX_UNIX_PATH_BYTES = 107;

const AT = "@".charCodeAt(0);

/** An address as bind, connect and accept take it. Plain data: it can be posted to a Worker. */
export interface SocketAddress {
  /** One of {@linkcode Family}. */
  readonly family: number;
  /** The struct's bytes, exactly as long as the address. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** The address whose struct the kernel has stored in `bytes`. */
export function storedAddress(bytes: Uint8Array<ArrayBuffer>): SocketAddress {
  return { family: new DataView(bytes.buffer, bytes.byteOffset).getUint16(0, littleEndian), bytes };
}

/**
 * Builds the address of an IP and port.
 *
 * @param ip A numeric IPv4 or IPv6 address, without brackets.
 * @param port 0 to 65535; 0 lets the kernel choose.
 * @returns The address, or null when `ip` is not numeric.
 */
export function internetAddress(ip: string, port: number): SocketAddress | null {
  const text = encoder.encode(`${ip}\0`);
  const v6 = ip.includes(":");
  const family = v6 ? Family.INET6 : Family.INET;
  const number = new Uint8Array(v6 ? 16 : 4);
  if (libc.inet_pton(family, text, number) !== 1) return null;
  const bytes = new Uint8Array(v6 ? 28 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, littleEndian);
  view.setUint16(PORT_OFFSET, port);
  bytes.set(number, v6 ? INET6_OFFSET : INET_OFFSET);
  return { family, bytes };
}

/**
 * Builds the address of a unix stream socket.
 *
 * @param path A path of 1 to 107 bytes, or `@` and an abstract name: no file, and gone with its listener (unix(7)).
 * @throws {RangeError} When the path does not fit.
 */
export function unixAddress(path: string): SocketAddress {
  const text = encoder.encode(path);
  if (text.length === 0 || text.length > MAX_UNIX_PATH_BYTES) {
    throw new RangeError(`Cannot use the socket path "${path}": expected 1 to ${MAX_UNIX_PATH_BYTES} bytes`);
  }
  const abstract = text[0] === AT;
  // an abstract name begins with a zero and is as long as the address says; a path ends with one
  const bytes = new Uint8Array(2 + text.length + (abstract ? 0 : 1));
  new DataView(bytes.buffer).setUint16(0, Family.UNIX, littleEndian);
  bytes.set(text, 2);
  if (abstract) bytes[2] = 0;
  return { family: Family.UNIX, bytes };
}

/** How many 32-bit words {@linkcode readIp} writes. */
export const IP_WORDS = 4;
/** The third word of an IPv4 address in its IPv6 form; the first two are 0. */
const MAPPED_WORD = 0xffff;
const scratchIp = new Int32Array(IP_WORDS);

/**
 * Reads the IP out of a struct that the kernel has stored, without allocating: the 128 bits of an IPv6 address as four
 * words, first bits first. An IPv4 address is ::ffff:a.b.c.d, the way in which a listener on `::` sees it.
 *
 * @param struct A struct sockaddr_in or _in6.
 * @param ip Where to put the {@linkcode IP_WORDS} words.
 */
export function readIp(struct: Uint8Array, ip: Int32Array): void {
  const v6 = struct[littleEndian ? 0 : 1] === Family.INET6;
  ip[0] = v6 ? wordAt(struct, INET6_OFFSET) : 0;
  ip[1] = v6 ? wordAt(struct, INET6_OFFSET + 4) : 0;
  ip[2] = v6 ? wordAt(struct, INET6_OFFSET + 8) : MAPPED_WORD;
  ip[3] = wordAt(struct, v6 ? INET6_OFFSET + 12 : INET_OFFSET);
}

/** The address of an IP as {@linkcode readIp} writes it, in its IPv6 form and with port 0. */
export function addressOfIp(ip: readonly number[]): SocketAddress {
  const bytes = new Uint8Array(28);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Family.INET6, littleEndian);
  ip.forEach((word, at) => view.setInt32(INET6_OFFSET + 4 * at, word));
  return { family: Family.INET6, bytes };
}

function wordAt(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 24) | (bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3];
}

/** The same IP address with another port (0 to 65535). */
export function withPort(address: SocketAddress, port: number): SocketAddress {
  const bytes = address.bytes.slice();
  new DataView(bytes.buffer).setUint16(PORT_OFFSET, port);
  return { family: address.family, bytes };
}

/** The port of an IP address, 0 for a unix one. */
export function portOf(address: SocketAddress): number {
  if (address.family === Family.UNIX) return 0;
  return (address.bytes[PORT_OFFSET] << 8) | address.bytes[PORT_OFFSET + 1];
}

/** The numeric IP of an address, without port or brackets; empty for a unix one. IPv4 by IPv6 is IPv4. */
export function ipOf(address: SocketAddress): string {
  if (address.family === Family.UNIX) return "";
  const end = address.family === Family.INET6 ? INET6_OFFSET + 16 : INET_OFFSET + 4;
  readIp(address.bytes, scratchIp);
  const family = isIpv4(scratchIp) ? Family.INET : Family.INET6;
  const text = new Uint8Array(46);
  libc.inet_ntop(family, address.bytes.slice(end - (family === Family.INET ? 4 : 16), end), text, text.length);
  return decoder.decode(text.subarray(0, text.indexOf(0)));
}

/**
 * An address as people write it: `127.0.0.1:80`, `[::1]:80`, `unix:/run/app.sock`, `unix:@abstract`. What came by IPv4 to
 * a listener on `::` is IPv4.
 */
export function formatAddress(address: SocketAddress): string {
  if (address.family === Family.UNIX) {
    if (address.bytes.length > 3 && address.bytes[2] === 0) return `unix:@${decoder.decode(address.bytes.subarray(3))}`;
    const end = address.bytes.indexOf(0, 2);
    return `unix:${decoder.decode(address.bytes.subarray(2, end < 0 ? undefined : end))}`;
  }
  const ip = ipOf(address);
  return ip.includes(":") ? `[${ip}${zoneOf(address)}]:${portOf(address)}` : `${ip}:${portOf(address)}`;
}

/** The interface to which an IPv6 address is local, as in `%eth0`; empty for most (ipv6(7), sin6_scope_id). */
function zoneOf({ bytes }: SocketAddress): string {
  const index = new DataView(bytes.buffer, bytes.byteOffset).getUint32(INET6_SCOPE_OFFSET, littleEndian);
  if (index === 0) return "";
  const name = new Uint8Array(MAX_INTERFACE_NAME);
  const known = libc.if_indextoname(index, name) !== null;
  return `%${known ? decoder.decode(name.subarray(0, name.indexOf(0))) : index}`;
}

/** Whether packets to or from an address stay on this host: 127.0.0.0/8, ::1, ::ffff:127.0.0.0/104, or a unix socket. */
export function isLoopback(address: SocketAddress): boolean {
  if (address.family === Family.UNIX) return true;
  readIp(address.bytes, scratchIp);
  return isLoopbackIp(scratchIp);
}

/** The same for an IP as {@linkcode readIp} writes it. */
export function isLoopbackIp(ip: ArrayLike<number>): boolean {
  if (isIpv4(ip)) return ip[3] >>> 24 === 127;
  return ip[0] === 0 && ip[1] === 0 && ip[2] === 0 && ip[3] === 1;
}

/** Whether an IP as {@linkcode readIp} writes it is an IPv4 address, also one that came by IPv6 (`::ffff:192.0.2.1`). */
export function isIpv4(ip: ArrayLike<number>): boolean {
  return ip[0] === 0 && ip[1] === 0 && ip[2] === MAPPED_WORD;
}
