// The pipes of a relay Worker: lent, taken back, kept in small number, and missing.

import { close } from "../ffi/descriptor.ts";
import { Errno, SystemError } from "../ffi/errno.ts";
import { getPipeCapacity, openPipe, splice } from "../ffi/pipe.ts";
import { EventLoop, type Task } from "../core/reactor/event_loop.ts";
import { type Pipe, PipePool } from "../core/relay/pipe_pool.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import { Program } from "./support/program.ts";
import { type Stage, testOnStage } from "./support/stage.ts";

/** Registers a test with a pool that must get all its pipes back. */
function testPool(name: string, body: (pool: PipePool, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const pool = new PipePool(stage.loop);
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
  for (const pipe of pipes) assertEquals(pipe.slots, getPipeCapacity(pipe.readEnd) / 4096);
  for (const pipe of pipes) pool.give(pipe);
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

testPool("without descriptors there is no pipe, and who waits is told when one comes back", (pool, stage) => {
  let runs = 0;
  const task: Task = { queued: false, run: () => runs++ };
  withoutDescriptors(() => {
    const lent = pool.take()!;
    assertEquals([pool.take(), pool.open], [null, 1]);
    pool.awaitPipe(task);
    stage.step();
    assertEquals(runs, 0);
    pool.give(lent);
    stage.step();
    assertEquals(runs, 1);
  });
  stage.advance(100);
  assertEquals(runs, 1, "once is enough");
});

testPool("who waits for a pipe tries again after a while, when descriptors may be free", (pool, stage) => {
  const lent = pool.take()!;
  let found: Pipe | null = null;
  let tries = 0;
  const task: Task = {
    queued: false,
    run() {
      tries++;
      found = pool.take();
      if (found === null) pool.awaitPipe(task);
    },
  };
  withoutDescriptors((free) => {
    stage.loop.enqueue(task);
    stage.step(2);
    assertEquals(tries, 1);
    stage.advance(20);
    assertEquals([tries, found], [2, null]);
    free();
    stage.advance(20);
    assertEquals([tries, found], [3, null], "a pipe has two ends");
    free();
    stage.advance(20);
    assert(found !== null);
    stage.advance(100);
    assertEquals(tries, 4);
    pool.give(found);
  });
  pool.give(lent);
});

Deno.test("a pool without its first pipe is an error at start", () => {
  const loop = new EventLoop();
  withoutDescriptors((free) => {
    free();
    const error = assertThrows(() => new PipePool(loop), SystemError);
    assertEquals(error.message, "Cannot pipe2: EMFILE while starting a relay Worker");
  });
  const pipe = openPipe();
  assert(typeof pipe !== "number", "and the process goes on");
  close(pipe.readEnd);
  close(pipe.writeEnd);
  loop.dispose();
});

Deno.test("a user whose pipes the kernel makes tiny still moves every byte", async () => {
  const script = new URL("./support/tiny_pipes.ts", import.meta.url).pathname;
  await using program = new Program("tiny pipes", [Deno.execPath(), "run", "--allow-all", "--no-lock", script]);
  const [, slots, bytes] = await program.line(/^(\d+) slots moved (\d+) bytes$/);
  assert(Number(slots) <= 2, `${slots} slots`);
  assertEquals(Number(bytes), 300_000);
});
