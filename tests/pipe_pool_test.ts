// The pipes of a relay Worker: lent, taken back, kept in small number, and missing.

import { Errno } from "../ffi/errno.ts";
import { getPipeCapacity, pageBytes, splice } from "../ffi/pipe.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import { Program } from "./support/program.ts";
import { type Stage, testOnStage } from "./support/stage.ts";

/** Registers a test with a pool that must get all its pipes back. */
function testPool(name: string, body: (pool: PipePool, stage: Stage) => void, most?: number): void {
  testOnStage(name, (stage) => {
    const pool = new PipePool(most);
    try {
      body(pool, stage);
    } finally {
      pool.dispose();
    }
    assertEquals(pool.open, 0);
  });
}

testPool("a pool has one pipe from the start", (pool) => {
  assertEquals([pool.open, pool.idle], [1, 1]);
  const pipe = pool.take()!;
  assertEquals([pool.open, pool.idle], [1, 0]);
  pool.give(pipe);
  assertEquals(pool.take(), pipe);
  pool.give(pipe);
});

testPool("a pool makes as many pipes as are lent at a time, and keeps sixteen", (pool) => {
  const lent = Array.from({ length: 40 }, () => pool.take()!);
  assertEquals(new Set(lent.map(({ readEnd }) => readEnd)).size, 40);
  assertEquals([pool.open, pool.idle], [40, 0]);
  for (const pipe of lent) pool.give(pipe);
  assertEquals([pool.open, pool.idle], [16, 16]);
});

testPool("a pipe knows how many slots it really has", (pool) => {
  const pipes = [pool.take()!, pool.take()!];
  for (const pipe of pipes) assertEquals(pipe.slots, getPipeCapacity(pipe.readEnd) / pageBytes());
  for (const pipe of pipes) pool.give(pipe);
});

Deno.test("where pages are larger, a pipe has fewer slots", async () => {
  const { stdout } = await new Deno.Command("getconf", { args: ["PAGESIZE"] }).output();
  assertEquals(pageBytes(), Number(new TextDecoder().decode(stdout)));
  for (const page of [16_384, 65_536]) {
    const pool = new PipePool(1, page);
    const pipe = pool.take()!;
    assertEquals(pipe.slots, getPipeCapacity(pipe.readEnd) / page);
    pool.give(pipe);
    pool.dispose();
  }
});

testPool("a pipe with bytes in it is discarded and not lent again", (pool, stage) => {
  const { fd, peer } = stage.connectUnwatched();
  peer.sendAll("left over");
  const pipe = pool.take()!;
  assertEquals(splice(fd, pipe.writeEnd, 100), 9);
  pool.discard(pipe);
  assertEquals([pool.open, pool.idle], [0, 0]);
  const other = pool.take()!;
  assertEquals(splice(other.readEnd, fd, 100), -Errno.EAGAIN, "it is empty");
  pool.give(other);
  stage.peer(fd);
});

testPool("without descriptors there is no other pipe, until there are some again", (pool) => {
  const lent = pool.take()!;
  withoutDescriptors((free) => {
    assertEquals([pool.take(), pool.open], [null, 1]);
    free();
    assertEquals(pool.take(), null, "a pipe has two ends");
    free();
    pool.give(pool.take()!);
  });
  pool.give(lent);
});

testPool("a pool has no more pipes than it may have", (pool) => {
  const lent = [pool.take()!, pool.take()!, pool.take()!];
  assertEquals([pool.take(), pool.open], [null, 3]);
  pool.discard(lent.pop()!);
  lent.push(pool.take()!);
  assertEquals(pool.open, 3);
  for (const pipe of lent) pool.give(pipe);
}, 3);

Deno.test("a pool that finds no descriptors at its start has its first pipe later", () => {
  const pool = withoutDescriptors(() => new PipePool());
  assertEquals([pool.open, pool.idle], [0, 0]);
  pool.give(pool.take()!);
  assertEquals([pool.open, pool.idle], [1, 1]);
  pool.dispose();
});

Deno.test("a user whose pipes the kernel makes tiny still moves every byte", async () => {
  const script = new URL("./support/tiny_pipes.ts", import.meta.url).pathname;
  await using program = new Program("tiny pipes", [Deno.execPath(), "run", "--allow-all", "--no-lock", script]);
  const [, slots, bytes] = await program.line(/^(\d+) slots moved (\d+) bytes$/);
  assert(Number(slots) <= 2, `${slots} slots`);
  assertEquals(Number(bytes), 300_000);
});
