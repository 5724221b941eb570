// The number by which StartProxyConnReq tells who a PublicClient is: a client finds its own connections among its
// visitors by it.

const FNV_OFFSET = 0x811c_9dc5 | 0;
const FNV_PRIME = 0x0100_0193;

/**
 * The 32-bit FNV-1a hash of a connection as both of its ends know it, as a signed number; never 0, which stands for
 * unknown.
 *
 * @param ip The visitor's address as `readIp` writes it: IPv4 in its IPv6 form.
 * @param port The visitor's port.
 * @param publicPort The port that it has connected to.
 */
export function visitorHash(ip: ArrayLike<number>, port: number, publicPort: number): number {
  let hash = FNV_OFFSET;
  for (let i = 0; i < 4; i++) hash = add16(add16(hash, ip[i] >>> 16), ip[i] & 0xffff);
  hash = add16(add16(hash, port), publicPort);
  return hash === 0 ? 1 : hash;
}

function add16(hash: number, two: number): number {
  return Math.imul(Math.imul(hash ^ (two >>> 8), FNV_PRIME) ^ (two & 0xff), FNV_PRIME);
}
