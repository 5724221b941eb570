// Visits that tell a whole stream from a part of one, at both ends: what is sent says how long it is, and is known byte by
// byte. It knows nothing of what lies between the ends, which may break at any time.

import { createHash } from "node:crypto";
import { acceptFrom, addressOf, connectTo, listenLocally, soon, writeAll, writePayload } from "./conns.ts";
import { payloadSha256 } from "./payload.ts";

/** Header of a request: seed (1 byte) and length of the payload behind it (4 bytes, big-endian). */
const HEADER_BYTES = 5;
/** Ms after which a connection counts as stuck. */
const STUCK_MS = 30_000;

/** How a visit ended: whole, or cut off by a reset. */
export type Outcome = "whole" | "cut";

/** An end of a stream that came after a part of it. */
export class TruncatedStream extends Error {}

/** How a read or write tells that the connection is cut. */
function isCut(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionRefused || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.ConnectionAborted;
}

/** Reads to the end of the stream; its first bytes and the SHA-256 of the rest. */
async function readStream(conn: Deno.TcpConn, headBytes: number) {
  const head = new Uint8Array(headBytes);
  const hash = createHash("sha256");
  const room = new Uint8Array(65_536);
  let total = 0;
  for (let count = await conn.read(room); count !== null; count = await conn.read(room)) {
    const ofHead = Math.min(count, Math.max(0, headBytes - total));
    if (ofHead > 0) head.set(room.subarray(0, ofHead), total);
    hash.update(room.subarray(ofHead, count));
    total += count;
  }
  return { total, head: new DataView(head.buffer), sha256: hash.digest("hex") };
}

/** A service that answers each payload with another of the same length, and checks that what ends was whole. */
export class VisitService implements AsyncDisposable {
  readonly #listener = listenLocally();
  /** Where it listens, as `127.0.0.1:port`. */
  readonly address: string = addressOf(this.#listener);
  /** What was wrong, as far as seen. */
  readonly wrongs: Error[] = [];
  readonly #open = new Set<Promise<void>>();
  readonly #accepting = this.#accept();

  async #accept(): Promise<void> {
    for (;;) {
      let conn: Deno.TcpConn;
      try {
        conn = await acceptFrom(this.#listener);
      } catch {
        return; // closed
      }
      const served = this.#serve(conn).catch((error) => {
        if (!isCut(error)) this.wrongs.push(error);
      }).finally(() => {
        conn.close();
        this.#open.delete(served);
      });
      this.#open.add(served);
    }
  }

  async #serve(conn: Deno.TcpConn): Promise<void> {
    const { total, head, sha256 } = await soon("a request ends", readStream(conn, HEADER_BYTES), STUCK_MS);
    const [seed, bytes] = total < HEADER_BYTES ? [0, 0] : [head.getUint8(0), head.getUint32(1)];
    if (total !== HEADER_BYTES + bytes || sha256 !== payloadSha256(seed, bytes)) {
      throw new TruncatedStream(`The service read ${total} bytes, and then the end of a request of ${bytes}`);
    }
    await soon("a response is taken", writePayload(conn, seed ^ 255, bytes), STUCK_MS);
    await conn.closeWrite();
  }

  /** Connections that have not ended. */
  get open(): number {
    return this.#open.size;
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    await this.#accepting;
    await Promise.all(this.#open);
  }
}

/**
 * Visits a {@linkcode VisitService}: the payload `seed` (0 to 255) of `bytes` bytes, 1 up, and its answer.
 *
 * @throws {TruncatedStream} When a part of the answer, or none, ends as if it were all.
 */
export async function visit(address: string, seed: number, bytes: number): Promise<Outcome> {
  let conn: Deno.TcpConn | null = null;
  try {
    conn = await soon("a visitor connects", connectTo(address), STUCK_MS);
    const request = new Uint8Array(HEADER_BYTES);
    request[0] = seed;
    new DataView(request.buffer).setUint32(1, bytes);
    const sent = async (conn: Deno.TcpConn) => {
      await writeAll(conn, request);
      await writePayload(conn, seed, bytes);
      await conn.closeWrite();
    };
    const [{ total, sha256 }] = await soon(
      `a visit of ${bytes} bytes ends`,
      Promise.all([readStream(conn, 0), sent(conn)]),
      STUCK_MS,
    );
    if (total === bytes && sha256 === payloadSha256(seed ^ 255, bytes)) return "whole";
    throw new TruncatedStream(`A visitor read ${total} bytes, and then the end of a response of ${bytes}`);
  } catch (error) {
    if (isCut(error)) return "cut";
    throw error;
  } finally {
    conn?.close();
  }
}
