// Messages of any length through rings: order, wrap-around, being full, and many readers.

import fc from "fast-check";
import { MessageReader, MessageWriter } from "../core/reactor/message_ring.ts";
import { allocateRing } from "../core/reactor/spsc_ring.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";

/** A writer, its readers, what each of them got, and who was woken since the last look. */
function scene(readers: number, capacity: number) {
  const rings = Array.from({ length: readers }, () => allocateRing(capacity));
  const woken = new Set<number>();
  const writer = new MessageWriter(rings, (reader) => woken.add(reader));
  const got: unknown[][] = rings.map(() => []);
  const sides = rings.map((ring) => new MessageReader(ring));
  const take = (reader: number) => sides[reader].take((message) => got[reader].push(message));
  return { writer, sides, got, take, woken };
}

/** Takes until a reader has so many messages; the writer's timer runs meanwhile. */
async function takeUntil({ got, take }: ReturnType<typeof scene>, reader: number, count: number): Promise<void> {
  while (got[reader].length < count) {
    take(reader);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
}

Deno.test("a message comes as it was sent, of whatever length, and is seen only when it is whole", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.jsonValue(), { minLength: 1, maxLength: 20 }), async (messages) => {
      const ring = scene(1, 4);
      for (const message of messages) ring.writer.post(0, message);
      await takeUntil(ring, 0, messages.length);
      // -0 has no JSON of its own
      assertEquals(JSON.stringify(ring.got[0]), JSON.stringify(messages));
      assert(ring.sides[0].isEmpty());
    }),
    { numRuns: 50 },
  );
});

Deno.test("messages just as long as some records come whole, and so do messages a byte longer or shorter", () => {
  for (let length = 55; length <= 125; length++) {
    const { writer, take, got } = scene(1, 4);
    // two quotes make the JSON
    const text = "x".repeat(length - 2);
    writer.post(0, text);
    take(0);
    assertEquals(got[0], [text]);
  }
});

Deno.test("a message longer than the ring comes in parts, and what is sent meanwhile waits behind it", async () => {
  const ring = scene(1, 4);
  const long = Array.from({ length: 200 }, (_, i) => `ä${i}`);
  ring.writer.post(0, long);
  ring.take(0);
  assertEquals(ring.got[0], []);
  ring.writer.post(0, "second");
  await takeUntil(ring, 0, 2);
  assertEquals(ring.got[0], [long, "second"]);
});

Deno.test("nobody gets a message before earlier ones have reached the other readers", async () => {
  const ring = scene(2, 2);
  const long = "x".repeat(300);
  ring.writer.post(0, long);
  ring.writer.post(1, "after");
  for (let i = 0; i < 100 && ring.got[1].length === 0; i++) {
    ring.take(1);
    ring.take(0);
    assert(ring.got[1].length === 0 || ring.got[0].length === 1);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  assertEquals(ring.got, [[long], ["after"]]);
});

Deno.test("the receiver of a message is woken, also when there was no room for it at first", async () => {
  const ring = scene(3, 2);
  ring.writer.post(0, 1);
  assertEquals([...ring.woken], [0]);
  ring.writer.post(1, "x".repeat(200));
  assertEquals([...ring.woken], [0, 1]);
  ring.woken.clear();
  await takeUntil(ring, 1, 1);
  assertEquals([...ring.woken], [1]);
  assertEquals(ring.got, [[], ["x".repeat(200)], []]);
});

Deno.test("a writer that is disposed waits for no room any more", () => {
  const { writer, take, got } = scene(1, 2);
  // a timer that is left behind fails the test
  writer.post(0, "x".repeat(1000));
  writer.dispose();
  take(0);
  assertEquals(got[0], []);
});

Deno.test("what has no JSON is refused", () => {
  const { writer, sides } = scene(1, 2);
  assertThrows(() => writer.post(0, undefined), TypeError, "there is no JSON for it");
  assert(sides[0].isEmpty());
});
