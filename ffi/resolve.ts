// Host names to addresses by the system's resolver: /etc/hosts, DNS, and all else that nsswitch.conf names.
import { libc } from "./libc.ts";
import { internetAddress, type SocketAddress } from "./socket_address.ts";

const SOCK_STREAM = 1;
// struct addrinfo of glibc with 64-bit pointers (netdb.h)
const INFO_BYTES = 48;
const FAMILY = 4;
const SOCKTYPE = 8;
const ADDRESS_LENGTH = 16;
const ADDRESS = 24;
const NEXT = 40;

const reasons = new Map<number, string>([
  [-2, "the name is not known"],
  [-3, "the name server does not answer for now"],
  [-4, "the name server failed"],
  [-5, "the name has no address"],
]);

// EAI_NONAME and EAI_NODATA (netdb.h): a name server that knows has answered
const ANSWERS = new Set([-2, -5]);

/**
 * The buffers that a call on another thread may still read or write. Deno passes on addresses and keeps nothing alive: a
 * buffer without another reference can be collected, and used for something else, before the other thread looks at it.
 */
const inUse = new Set<readonly ArrayBufferView[]>();

/** A name did not resolve. */
export class ResolveError extends Error {
  /** Whether the answer is that there is no such name or address; false when no name server has answered. */
  readonly answered: boolean;

  /** Makes one for a result of getaddrinfo(3). */
  constructor(host: string, result: number) {
    // the interface of fe80::1%eth0 may be there later
    const lacksInterface = host.includes("%") && ANSWERS.has(result);
    const reason = lacksInterface ? "this host has no such interface" : reasons.get(result);
    super(`Cannot resolve "${host}": ${reason ?? `resolver error ${result}`}`);
    this.name = "ResolveError";
    this.answered = ANSWERS.has(result) && !lacksInterface;
  }
}

/**
 * Resolves a host name (getaddrinfo(3)), off the calling thread. A numeric address resolves to itself at once.
 *
 * @param host A name or numeric address, without brackets. An IPv6 address may have a zone, such as `fe80::1%eth0`.
 * @param port 0 to 65535, put into every result.
 * @returns The addresses in the order in which they should be tried; one at least.
 * @throws {ResolveError} When the name does not resolve; one line that says why.
 */
export async function resolveHost(host: string, port: number): Promise<SocketAddress[]> {
  const numeric = internetAddress(host, port);
  if (numeric !== null) return [numeric];
  const encoder = new TextEncoder();
  const hints = new Uint8Array(INFO_BYTES);
  new DataView(hints.buffer).setInt32(SOCKTYPE, SOCK_STREAM, true);
  const first = new BigUint64Array(1);
  const [name, service] = [encoder.encode(`${host}\0`), encoder.encode(`${port}\0`)];
  const lent = [name, service, hints, first];
  inUse.add(lent);
  const result = await libc.getaddrinfo(name, service, hints, first).finally(() => inUse.delete(lent));
  if (result !== 0) throw new ResolveError(host, result);
  try {
    return readList(first[0]);
  } finally {
    libc.freeaddrinfo(Deno.UnsafePointer.create(first[0]));
  }
}

function readList(first: bigint): SocketAddress[] {
  const addresses: SocketAddress[] = [];
  for (let at = Deno.UnsafePointer.create(first); at !== null;) {
    const info = new Deno.UnsafePointerView(at);
    const bytes = new Uint8Array(info.getUint32(ADDRESS_LENGTH));
    new Deno.UnsafePointerView(info.getPointer(ADDRESS)!).copyInto(bytes);
    addresses.push({ family: info.getInt32(FAMILY), bytes });
    at = info.getPointer(NEXT);
  }
  return addresses;
}
