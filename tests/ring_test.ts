// The ring between two Workers: order, wrap-around, being full, and a real second thread.

import fc from "fast-check";
import { allocateRing, RECORD_WORDS, RingReader, RingWriter } from "../core/reactor/spsc_ring.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";

/** A record whose words tell its number. */
function recordOf(number: number): Int32Array {
  return Int32Array.from({ length: RECORD_WORDS }, (_, i) => Math.imul(number, i + 1));
}

/** Takes one record, or null when there is none. */
function take(reader: RingReader): Int32Array | null {
  const at = reader.at(reader.tail());
  if (at < 0) return null;
  const record = reader.words.slice(at, at + RECORD_WORDS);
  reader.advance();
  return record;
}

/** A ring whose both positions are `position`, as after that many records. */
function ringAt(capacity: number, position: number): SharedArrayBuffer {
  const memory = allocateRing(capacity);
  const words = new Int32Array(memory);
  // head and tail each have a cache line of 16 words
  words[0] = words[16] = position | 0;
  return memory;
}

Deno.test("records come out of a ring in the order in which they went in, with every word", () => {
  const memory = allocateRing(8);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  for (let i = 1; i <= 5; i++) assert(writer.push(recordOf(i)));
  for (let i = 1; i <= 5; i++) assertEquals(take(reader), recordOf(i));
  assertEquals(take(reader), null);
});

Deno.test("a ring goes round many times", () => {
  const memory = allocateRing(4);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  for (let i = 0; i < 1000; i += 3) {
    for (let j = 0; j < 3; j++) assert(writer.push(recordOf(i + j)));
    for (let j = 0; j < 3; j++) assertEquals(take(reader), recordOf(i + j));
  }
});

Deno.test("a full ring takes nothing and loses nothing", () => {
  const memory = allocateRing(4);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  for (let i = 0; i < 4; i++) assert(writer.push(recordOf(i)));
  assert(!writer.push(recordOf(99)));
  assertEquals(take(reader), recordOf(0));
  assert(writer.push(recordOf(4)));
  for (let i = 1; i <= 4; i++) assertEquals(take(reader), recordOf(i));
});

Deno.test("only a producer that found the ring full is to be woken, and once", () => {
  const memory = allocateRing(2);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  writer.push(recordOf(1));
  writer.push(recordOf(2));
  assert(!reader.advance(), "the ring was full, but the producer has not noticed");
  writer.push(recordOf(3));
  assert(!writer.push(recordOf(4)));
  assert(reader.advance());
  assert(!reader.advance());
});

Deno.test("a position taken earlier hides what came later", () => {
  const memory = allocateRing(4);
  const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
  writer.push(recordOf(1));
  const tail = reader.tail();
  writer.push(recordOf(2));
  assert(reader.at(tail) >= 0);
  reader.advance();
  assertEquals(reader.at(tail), -1);
  assert(!reader.isEmpty());
});

Deno.test("both ends can be taken up again by another thread where they were left", () => {
  const memory = allocateRing(4);
  const writer = new RingWriter(memory);
  for (let i = 0; i < 3; i++) writer.push(recordOf(i));
  take(new RingReader(memory));
  assert(new RingWriter(memory).push(recordOf(3)));
  const reader = new RingReader(memory);
  assertEquals([take(reader), take(reader), take(reader), take(reader)], [1, 2, 3].map(recordOf).concat(null as never));
});

Deno.test("a ring has a power of two of records", () => {
  for (const capacity of [0, 1, 3, 1023, -2]) {
    assertThrows(() => allocateRing(capacity), RangeError, `${capacity}`);
  }
});

Deno.test("any sequence of pushes and takes does what a list with a limit does, also where positions overflow", () => {
  const capacity = fc.constantFrom(2, 4, 8, 64);
  const start = fc.oneof(
    fc.integer(),
    fc.nat(100).map((n) => 2 ** 31 - n),
    fc.nat(100).map((n) => 2 ** 32 - n),
  );
  fc.assert(
    fc.property(capacity, start, fc.array(fc.integer({ min: -9, max: 9 })), (capacity, start, moves) => {
      const memory = ringAt(capacity, start);
      const [writer, reader] = [new RingWriter(memory), new RingReader(memory)];
      const model: number[] = [];
      let pushed = 0;
      let waits = false;
      for (const move of moves) {
        for (let i = 0; i < move; i++) {
          const fits = model.length < capacity;
          assertEquals(writer.push(recordOf(pushed)), fits);
          if (fits) model.push(pushed++);
          else waits = true;
        }
        for (let i = 0; i < -move; i++) {
          const expected = model.shift();
          assertEquals(reader.isEmpty(), expected === undefined);
          if (expected === undefined) break;
          const at = reader.at(reader.tail());
          assertEquals(reader.words.slice(at, at + RECORD_WORDS), recordOf(expected));
          assertEquals(reader.advance(), waits);
          waits = false;
        }
      }
    }),
    { numRuns: 300 },
  );
});

Deno.test("a million records reach a consumer in another thread in order and whole", async () => {
  const count = 1_000_000;
  const memory = allocateRing(1024);
  const worker = new Worker(new URL("./support/ring_consumer.ts", import.meta.url), { type: "module" });
  const told = new Promise<unknown>((resolve, reject) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = ({ message }) => reject(new Error(message));
  });
  worker.postMessage({ memory, count });
  const writer = new RingWriter(memory);
  const record = new Int32Array(RECORD_WORDS);
  const nap = new Int32Array(new SharedArrayBuffer(4));
  const deadline = performance.now() + 20_000;
  for (let number = 0; number < count; number++) {
    for (let i = 0; i < RECORD_WORDS; i++) record[i] = Math.imul(number, i + 1);
    while (!writer.push(record)) {
      if (performance.now() > deadline) throw new Error(`The consumer took too long; ${number} records went in`);
      Atomics.wait(nap, 0, 0, 0.05);
    }
  }
  assertEquals(await told, { taken: count, wrong: 0 });
});
