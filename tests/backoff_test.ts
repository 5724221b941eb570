// The delays between attempts to reach the server.

import { Backoff } from "../core/client/backoff.ts";
import { assert, assertEquals } from "./support/assert.ts";

const ALMOST_ONE = 1 - Number.EPSILON;

Deno.test("the longest delays double from 1 s to 30 s and stay there", () => {
  const backoff = new Backoff({ random: () => ALMOST_ONE });
  const delays = Array.from({ length: 8 }, () => backoff.next());
  assertEquals(delays, [1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

Deno.test("the shortest delays are half of the longest", () => {
  const backoff = new Backoff({ random: () => 0 });
  const delays = Array.from({ length: 7 }, () => backoff.next());
  assertEquals(delays, [500, 1000, 2000, 4000, 8000, 15_000, 15_000]);
});

Deno.test("after a reset the delays start again", () => {
  const backoff = new Backoff({ random: () => ALMOST_ONE });
  for (let i = 0; i < 10; i++) backoff.next();
  backoff.reset();
  assertEquals([backoff.next(), backoff.next()], [1000, 2000]);
});

Deno.test("two clients that fail together do not come back together", () => {
  const [one, other] = [new Backoff(), new Backoff()];
  const pairs = Array.from({ length: 20 }, () => [one.next(), other.next()]);
  assert(pairs.some(([a, b]) => a !== b));
});

Deno.test("every delay is a whole number of milliseconds between half and the whole of what it may be", () => {
  const backoff = new Backoff();
  for (const longest of [1000, 2000, 4000, 8000, 16_000, ...Array<number>(100).fill(30_000)]) {
    const delay = backoff.next();
    assert(Number.isInteger(delay) && delay >= longest / 2 && delay <= longest, `${delay} ms of ${longest} ms`);
  }
});

Deno.test("first delay, highest delay and factor can be chosen", () => {
  const backoff = new Backoff({ firstMs: 10, highestMs: 50, factor: 3, random: () => ALMOST_ONE });
  assertEquals([backoff.next(), backoff.next(), backoff.next()], [10, 30, 50]);
});
