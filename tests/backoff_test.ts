// The delays between attempts to reach the server.

import { Backoff } from "../core/client/control/backoff.ts";
import { assert, assertEquals } from "./support/assert.ts";

const ALMOST_ONE = 1 - Number.EPSILON;

Deno.test("the longest delays double from 2 s to 30 s and stay there", () => {
  const backoff = new Backoff({ random: () => ALMOST_ONE });
  const delays = Array.from({ length: 8 }, () => backoff.next());
  assertEquals(delays, [2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000, 30_000]);
});

Deno.test("the shortest delays are half of the longest", () => {
  const backoff = new Backoff({ random: () => 0 });
  const delays = Array.from({ length: 7 }, () => backoff.next());
  assertEquals(delays, [1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
});

Deno.test("after a reset the delays start again", () => {
  const backoff = new Backoff({ random: () => ALMOST_ONE });
  for (let i = 0; i < 10; i++) backoff.next();
  backoff.reset();
  assertEquals([backoff.next(), backoff.next()], [2000, 4000]);
});

Deno.test("two clients that fail together do not come back together", () => {
  const [one, other] = [new Backoff(), new Backoff()];
  const pairs = Array.from({ length: 20 }, () => [one.next(), other.next()]);
  assert(pairs.some(([a, b]) => a !== b));
});

Deno.test("every delay is a whole number of milliseconds between the shortest and its double", () => {
  const backoff = new Backoff();
  for (const shortest of [1000, 2000, 4000, 8000, ...Array<number>(100).fill(15_000)]) {
    const delay = backoff.next();
    assert(Number.isInteger(delay) && delay >= shortest && delay <= 2 * shortest, `${delay} ms for ${shortest} ms`);
  }
});

Deno.test("first delay, highest delay and factor can be chosen", () => {
  const backoff = new Backoff({ firstMs: 10, highestMs: 80, factor: 3, random: () => ALMOST_ONE });
  assertEquals([backoff.next(), backoff.next(), backoff.next()], [20, 60, 80]);
});

Deno.test("an attempt that nobody answered is followed by the next 1 s to 2 s after it began, however many there were", () => {
  const backoff = new Backoff();
  for (let i = 0; i < 100; i++) {
    const delay = backoff.afterSilence(20);
    assert(Number.isInteger(delay) && delay >= 980 && delay <= 1980, `${delay} ms`);
  }
});

Deno.test("an attempt that nobody answered for long is followed by the next at once", () => {
  const backoff = new Backoff({ random: () => ALMOST_ONE });
  assertEquals([3000, 2000, 1950, 1000].map((elapsed) => backoff.afterSilence(elapsed)), [100, 100, 100, 1000]);
});

Deno.test("attempts that nobody answered do not make the other delays longer", () => {
  const backoff = new Backoff({ random: () => 0 });
  backoff.next();
  for (let i = 0; i < 10; i++) backoff.afterSilence(0);
  assertEquals(backoff.next(), 2000);
});
