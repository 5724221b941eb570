// Deadlines: they come in order, however they were set, moved and cleared.

import fc from "fast-check";
import { Timer, TimerQueue } from "../core/reactor/timer_queue.ts";
import { assert, assertEquals } from "./support/assert.ts";

/** Timers that write their names down when they are due. */
function named(names: string, due: string[]): Timer[] {
  return [...names].map((name) => new Timer({ onTimer: () => due.push(name) }));
}

Deno.test("timers are due in the order of their deadlines", () => {
  const due: string[] = [];
  const queue = new TimerQueue();
  const timers = named("edcba", due);
  timers.forEach((timer, i) => queue.set(timer, 50 - 10 * i));
  assertEquals([queue.size, queue.next], [5, 10]);
  queue.run(30);
  assertEquals(due, ["a", "b", "c"]);
  assertEquals([queue.size, queue.next], [2, 40]);
  queue.run(39.9);
  assertEquals(due.length, 3);
  queue.run(1e9);
  assertEquals(due.join(""), "abcde");
  assertEquals([queue.size, queue.next], [0, Infinity]);
});

Deno.test("a timer that is set again moves, to earlier and to later", () => {
  const due: string[] = [];
  const queue = new TimerQueue();
  const [a, b, c] = named("abc", due);
  queue.set(a, 10);
  queue.set(b, 20);
  queue.set(c, 30);
  queue.set(a, 40);
  queue.set(c, 5);
  assertEquals(queue.size, 3);
  queue.run(100);
  assertEquals(due.join(""), "cba");
});

Deno.test("a cleared timer is not due, and clearing it again is nothing", () => {
  const due: string[] = [];
  const queue = new TimerQueue();
  const [a, b] = named("ab", due);
  queue.set(a, 10);
  queue.set(b, 20);
  assert(a.isSet);
  queue.clear(a);
  queue.clear(a);
  assert(!a.isSet);
  queue.run(100);
  assertEquals(due, ["b"]);
  assert(!b.isSet);
});

Deno.test("a timer has left the queue when its target is told, and can be set again there", () => {
  const queue = new TimerQueue();
  const times: number[] = [];
  const timer = new Timer({
    onTimer(timer) {
      assert(!timer.isSet);
      times.push(timer.deadline);
      if (times.length < 5) queue.set(timer, timer.deadline + 10);
    },
  });
  queue.set(timer, 10);
  queue.run(20);
  assertEquals(times, [10, 20]);
  queue.run(29);
  assertEquals(times.length, 2);
  queue.run(1000);
  assertEquals(times, [10, 20, 30, 40, 50]);
});

Deno.test("a target may set and clear other timers, also timers that are due", () => {
  const due: string[] = [];
  const queue = new TimerQueue();
  const [a, b, c] = named("abc", due);
  const meddler = new Timer({
    onTimer() {
      queue.clear(a);
      queue.set(b, 30);
      queue.set(c, 5);
    },
  });
  queue.set(meddler, 1);
  queue.set(a, 2);
  queue.set(b, 3);
  queue.run(10);
  assertEquals(due, ["c"]);
  queue.run(30);
  assertEquals(due, ["c", "b"]);
});

type Step = { kind: "set"; timer: number; deadline: number } | { kind: "clear"; timer: number } | {
  kind: "run";
  now: number;
};

Deno.test("any sequence of setting, moving, clearing and running does what a sorted list does", () => {
  const COUNT = 40;
  const timer = fc.nat(COUNT - 1);
  const time = fc.nat(200);
  const step: fc.Arbitrary<Step> = fc.oneof(
    { weight: 5, arbitrary: fc.record({ kind: fc.constant("set" as const), timer, deadline: time }) },
    { weight: 2, arbitrary: fc.record({ kind: fc.constant("clear" as const), timer }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant("run" as const), now: time }) },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const queue = new TimerQueue();
      const model = new Map<number, number>();
      const due: number[] = [];
      const timers = Array.from({ length: COUNT }, (_, i) => new Timer({ onTimer: () => due.push(i) }));
      for (const step of steps) {
        switch (step.kind) {
          case "set":
            queue.set(timers[step.timer], step.deadline);
            model.set(step.timer, step.deadline);
            break;
          case "clear":
            queue.clear(timers[step.timer]);
            model.delete(step.timer);
            break;
          case "run": {
            queue.run(step.now);
            const expected = [...model].filter(([, deadline]) => deadline <= step.now);
            assertEquals(due.toSorted((a, b) => a - b), expected.map(([i]) => i).toSorted((a, b) => a - b));
            const deadlines = due.map((i) => model.get(i)!);
            assertEquals(deadlines, deadlines.toSorted((a, b) => a - b));
            for (const i of due.splice(0)) model.delete(i);
            break;
          }
          default:
            step satisfies never;
        }
        assertEquals(queue.size, model.size);
        assertEquals(queue.next, Math.min(...model.values()));
        assertEquals(timers.map(({ isSet }) => isSet), timers.map((_, i) => model.has(i)));
      }
    }),
    { numRuns: 200 },
  );
});
