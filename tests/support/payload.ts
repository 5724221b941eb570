// Bytes of any length that are the same for the same seed, made while they are sent, and their SHA-256. It knows nothing
// of what carries them.

import { createHash } from "node:crypto";
import { noise } from "./bytes.ts";

const CHUNK = 256 * 1024;
const STAMP_EVERY = 4096;

/** The chunks of the payload `seed` of `bytes` bytes, each a new array of at most 256 KiB. */
function* chunks(seed: number, bytes: number): Generator<Uint8Array<ArrayBuffer>, void> {
  // Noise once, and its place in the stream stamped into each copy: random bytes for all of it would be slower than the
  // network, and the same block again and again would hide a block that got lost, doubled or out of order.
  const block = new Uint32Array(noise(seed, CHUNK).buffer);
  for (let start = 0; start < bytes; start += CHUNK) {
    const chunk = block.slice();
    for (let i = 0; i < CHUNK; i += STAMP_EVERY) chunk[i / 4] ^= (start + i) / STAMP_EVERY;
    yield new Uint8Array(chunk.buffer, 0, Math.min(CHUNK, bytes - start));
  }
}

/** The payload `seed` of `bytes` bytes as a stream, never held whole in memory. */
export function payload(seed: number, bytes: number): ReadableStream<Uint8Array<ArrayBuffer>> {
  return ReadableStream.from(chunks(seed, bytes));
}

/** The SHA-256 of the payload `seed` of `bytes` bytes, in hexadecimal. */
export function payloadSha256(seed: number, bytes: number): string {
  const hash = createHash("sha256");
  for (const chunk of chunks(seed, bytes)) hash.update(chunk);
  return hash.digest("hex");
}

/** Reads `stream` to its end, keeping nothing: the number of its bytes and their SHA-256 in hexadecimal. */
export async function digest(stream: ReadableStream<Uint8Array> | null): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of stream ?? []) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest("hex") };
}
