// Both ends of connections as tests need them: exact reads, resets, and listeners whose ports are free ones. It knows
// nothing of tunnels.

import { createHash } from "node:crypto";
import type { Descriptor } from "../../ffi/descriptor.ts";
import { checked } from "../../ffi/errno.ts";
import { connect, localAddress, peerAddress } from "../../ffi/socket.ts";
import { Family, portOf } from "../../ffi/socket_address.ts";
import { payload } from "./payload.ts";

/** One end of a connection. */
export type Conn = Deno.TcpConn | Deno.UnixConn;

/** What was read up to the end of a stream. */
export interface Received {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * Waits for `promise`.
 *
 * @throws {Error} If that takes longer than `limit` milliseconds; the message says what was waited for.
 */
export async function soon<T>(what: string, promise: Promise<T>, limit = 20_000): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Waited ${limit} ms in vain: ${what}`)), limit);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Connects to `host:port` or `[host]:port`. */
export function connectTo(address: string): Promise<Deno.TcpConn> {
  const [, bracketed, plain, port] = /^(?:\[(.*)\]|(.*)):(\d+)$/.exec(address)!;
  return Deno.connect({ hostname: bracketed ?? plain, port: Number(port) });
}

/** Listens on a free port of 127.0.0.1. */
export function listenLocally(): Deno.TcpListener {
  return Deno.listen({ hostname: "127.0.0.1", port: 0 });
}

/** Accepts a connection; one that was reset in the queue, of which Deno cannot tell the peer, is skipped. */
export async function acceptFrom(listener: Deno.TcpListener): Promise<Deno.TcpConn> {
  for (;;) {
    try {
      return await listener.accept();
    } catch (error) {
      if (!(error instanceof Deno.errors.NotConnected)) throw error;
    }
  }
}

/** The address of a listener as the programs take it. */
export function addressOf({ addr }: Deno.TcpListener): string {
  return addr.hostname.includes(":") ? `[${addr.hostname}]:${addr.port}` : `${addr.hostname}:${addr.port}`;
}

/** Writes all of `bytes`. */
export async function writeAll(conn: Conn, bytes: Uint8Array): Promise<void> {
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

/** Writes the payload `seed` of `bytes` bytes. */
export async function writePayload(conn: Conn, seed: number, bytes: number): Promise<void> {
  for await (const chunk of payload(seed, bytes)) await writeAll(conn, chunk);
}

/** Reads exactly `bytes` bytes. */
export async function readExactly(conn: Conn, bytes: number): Promise<Uint8Array> {
  const read = new Uint8Array(bytes);
  for (let have = 0; have < bytes;) {
    const count = await conn.read(read.subarray(have));
    if (count === null) throw new Error(`The stream ended after ${have} of ${bytes} bytes`);
    have += count;
  }
  return read;
}

/** Reads to the end of the stream: how many bytes, and their SHA-256. A reset is thrown as it comes. */
export async function readToEnd(conn: Conn): Promise<Received> {
  const hash = createHash("sha256");
  const room = new Uint8Array(256 * 1024);
  let bytes = 0;
  for (let count = await conn.read(room); count !== null; count = await conn.read(room)) {
    hash.update(room.subarray(0, count));
    bytes += count;
  }
  return { bytes, sha256: hash.digest("hex") };
}

/** How a stream ends: in order, or by a reset. Whatever comes before that is read and dropped. */
export async function endingOf(conn: Conn): Promise<"end" | "reset"> {
  try {
    await readToEnd(conn);
    return "end";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "reset";
    throw error;
  }
}

/**
 * How the connection of a visitor ends who sends `bytes` of payload at most. One that is reset at once may be so before its
 * connect returns.
 */
export async function visitEnding(address: string, bytes = 0): Promise<"end" | "reset"> {
  let visitor: Deno.TcpConn;
  try {
    visitor = await connectTo(address);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected) return "reset";
    throw error;
  }
  const sent = writePayload(visitor, 1, bytes).catch(() => {}); // the ending tells
  try {
    return await endingOf(visitor);
  } finally {
    await sent;
    visitor.close();
  }
}

/** Closes one of this process's connections as a reset: the other end reads ECONNRESET, unless it has reset it itself. */
export function resetConn(conn: Deno.TcpConn): void {
  // Not SO_LINGER with 0 s: Deno shuts the writing side down before it closes, and a FIN would go ahead of the RST.
  // To connect to AF_UNSPEC sends one at once (connect(2)).
  const fd = descriptorOf(conn);
  if (fd !== null) checked(connect(fd, { family: 0, bytes: new Uint8Array(16) }), "connect", "resetting a connection");
  conn.close();
}

/** Deno does not tell the descriptor of a connection: it is the one with its two ports; null if its peer has reset it. */
function descriptorOf(conn: Deno.TcpConn): Descriptor | null {
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    const fd = Number(name) as Descriptor;
    const local = localAddress(fd);
    if (local === null || local.family === Family.UNIX || portOf(local) !== conn.localAddr.port) continue;
    const peer = peerAddress(fd);
    if (peer !== null && portOf(peer) === conn.remoteAddr.port) return fd;
  }
  return null;
}
