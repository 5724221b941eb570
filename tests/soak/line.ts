// One end of a visit: a connection that counts what it sends and receives. It knows no plan.

import { createHash } from "node:crypto";
import { type Received, resetConn } from "../support/conns.ts";
import { payload, payloadSha256 } from "../support/payload.ts";

const ROOM = 64 * 1024;
const hashes = new Map<string, string>();

/** The SHA-256 of a payload; those that are asked for often are remembered. */
export function sha256Of(seed: number, bytes: number): string {
  const key = `${seed} ${bytes}`;
  const sha256 = hashes.get(key) ?? payloadSha256(seed, bytes);
  if (hashes.size < 1000) hashes.set(key, sha256);
  return sha256;
}

/** Ms later. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** See the file's head. */
export class Line {
  /** Bytes that the kernel has taken. */
  sent = 0;
  /** Bytes that were read. */
  received = 0;
  readonly #conn: Deno.TcpConn;
  readonly #room = new Uint8Array(ROOM);

  constructor(conn: Deno.TcpConn) {
    this.#conn = conn;
  }

  /** Writes all of `bytes`. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const count = await this.#conn.write(bytes.subarray(at));
      at += count;
      this.sent += count;
    }
  }

  /** Writes a payload. */
  async writePayload(seed: number, bytes: number): Promise<void> {
    if (bytes === 0) return;
    for await (const chunk of payload(seed, bytes)) await this.write(chunk);
  }

  /** Writes a payload and ends its direction. */
  async writeLast(seed: number, bytes: number): Promise<void> {
    await this.writePayload(seed, bytes);
    await this.finish();
  }

  /** Reads exactly `bytes` bytes; null when the stream ended, in order, before the first one. */
  async readExactly(bytes: number): Promise<Uint8Array | null> {
    const read = new Uint8Array(bytes);
    for (let have = 0; have < bytes;) {
      const count = await this.#conn.read(read.subarray(have));
      if (count === null && have === 0) return null;
      if (count === null) throw new Error(`The stream ended in order after ${have} of ${bytes} bytes`);
      have += count;
      this.received += count;
    }
    return read;
  }

  /** Reads to the end, or until `most` bytes have come; with `pauseMs` slowly. */
  async readToEnd(pauseMs = 0, most = Infinity): Promise<Received> {
    const hash = createHash("sha256");
    let bytes = 0;
    while (bytes < most) {
      const count = await this.#conn.read(this.#room);
      if (count === null) break;
      hash.update(this.#room.subarray(0, count));
      bytes += count;
      this.received += count;
      if (pauseMs > 0) await pause(pauseMs);
    }
    return { bytes, sha256: hash.digest("hex") };
  }

  /** Ends its direction, in order. */
  finish(): Promise<void> {
    return this.#conn.closeWrite();
  }

  /** Ends the connection by a reset. */
  reset(): void {
    resetConn(this.#conn);
  }

  /** Closes it; what has come and was not read makes that a reset. */
  close(): void {
    try {
      this.#conn.close();
    } catch (error) {
      if (!(error instanceof Deno.errors.BadResource)) throw error;
    }
  }
}

/** Whether an error says that the other end, or what lies between, has broken the connection. */
export function isBroken(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected ||
    error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted;
}
