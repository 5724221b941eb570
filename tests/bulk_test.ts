// Many large transfers at once, both ways, and a slow one among them.

import { assert, assertEquals } from "./support/assert.ts";
import { soon } from "./support/conns.ts";
import { digest, payloadSha256 } from "./support/payload.ts";
import { downloadFrom, startTransferService, uploadTo } from "./support/transfers.ts";
import { FROM_SOURCE, Tunnels } from "./support/tunnels.ts";

const MIB = 1024 * 1024;
const BYTES = 256 * MIB;
const EACH_WAY = 8;
const SLOW_SEED = 0;
const SLOW_BYTES_PER_MS = MIB / 1000;
const SLOW_MS = 20_000;
/** Matters only when something is wrong. */
const LIMIT_MS = 180_000;

/** A reader that takes 1 MiB a second while `slowly` says so, and then whatever comes. */
class SlowReader {
  /** Bytes that it has read. */
  bytes = 0;
  readonly #started = performance.now();
  readonly #slowly: (ms: number) => boolean;

  /** @param slowly Asked before each read, with the ms since the start. */
  constructor(slowly: (ms: number) => boolean) {
    this.#slowly = slowly;
  }

  read(conn: Deno.TcpConn): Promise<{ sha256: string }> {
    return digest(ReadableStream.from(this.#chunks(conn)));
  }

  async *#chunks(conn: Deno.TcpConn): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (;;) {
      const ms = performance.now() - this.#started;
      const early = this.bytes / SLOW_BYTES_PER_MS - ms;
      if (early > 0 && this.#slowly(ms)) {
        await new Promise((resolve) => setTimeout(resolve, Math.min(early, 100)));
        continue;
      }
      const chunk = new Uint8Array(64 * 1024);
      const count = await conn.read(chunk);
      if (count === null) return;
      this.bytes += count;
      yield chunk.subarray(0, count);
    }
  }
}

Deno.test("8 uploads and 8 downloads of 256 MiB at once arrive as they were sent, and a slow reader holds none up", async () => {
  await using service = startTransferService(BYTES);
  await using tunnels = await Tunnels.start(FROM_SOURCE, { bulk: service.address }, ["--work_thread_nums=2"]);
  const address = tunnels.public.get("bulk")!;
  const upSeeds = Array.from({ length: EACH_WAY }, (_, i) => 1 + i);
  const downSeeds = Array.from({ length: EACH_WAY }, (_, i) => 101 + i);
  const expected = (seeds: number[]) => seeds.map((seed) => payloadSha256(seed, BYTES));
  const [expectedUp, expectedDown, expectedSlow] = [upSeeds, downSeeds, [SLOW_SEED]].map(expected);

  let othersDone = false;
  const slow = new SlowReader((ms) => !othersDone || ms < SLOW_MS);
  const slowDone = downloadFrom(address, SLOW_SEED, (conn) => slow.read(conn));
  const others = Promise.all([
    Promise.all(upSeeds.map((seed) => uploadTo(address, seed, BYTES))),
    Promise.all(downSeeds.map((seed) => downloadFrom(address, seed))),
  ]);
  // If the slow one fails meanwhile, that is told at once.
  const [up, down] = await soon("the 16 transfers", Promise.race([others, slowDone.then(() => others)]), LIMIT_MS);
  othersDone = true;
  assertEquals(up, expectedUp);
  assertEquals(down, expectedDown);
  assert(slow.bytes < BYTES / 2, `The slow reader had ${slow.bytes} bytes when the others were done`);

  assertEquals([await soon("the slow transfer", slowDone, LIMIT_MS)], expectedSlow);
  assertEquals(slow.bytes, BYTES);
  await tunnels.stop();
});
