// Parties that share a loop: each has its turns, whatever another one has to do.

import type { Task } from "../core/reactor/event_loop.ts";
import { TaskLanes } from "../core/reactor/task_lanes.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { placeOf, RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { Relay } from "../core/relay/relay.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { noise } from "./support/bytes.ts";
import { testOnStage } from "./support/stage.ts";

/** Lanes, and tasks that write down their names; `more` is how often a task queues itself again. */
function scene() {
  const lanes = new TaskLanes();
  const ran: string[] = [];
  let now = 0;
  return {
    lanes,
    ran,
    add(name: string, lane: number, more = 0): void {
      const task: Task = {
        queued: false,
        run() {
          ran.push(name);
          now++;
          if (more-- > 0) lanes.add(task, lane);
        },
      };
      lanes.add(task, lane);
    },
    run: (mostMs = Infinity) => lanes.run(() => now, mostMs),
  };
}

Deno.test("one lane is a queue, and lanes have turns", () => {
  const { add, run, ran, lanes } = scene();
  for (const name of ["a", "b", "c", "d"]) add(name, 1);
  add("x", 2);
  add("p", 7);
  add("q", 7);
  run();
  assertEquals(ran.filter((name) => name < "p"), ["a", "b", "c", "d"]);
  assertEquals(ran.slice(0, 3).toSorted(), ["a", "p", "x"]);
  assertEquals([ran.length, lanes.length], [7, 0]);
});

Deno.test("what there is no time for waits, and so does what comes meanwhile", () => {
  const { add, run, ran, lanes } = scene();
  for (let i = 0; i < 1000; i++) add("bulk", 1, 1);
  run(10);
  assertEquals([ran.length, lanes.length], [10, 1000]);
  add("ping", 2);
  run(10);
  assert(ran.slice(10, 12).includes("ping"), "the other lane is next");
  for (let turns = 0; lanes.length > 0; turns++) {
    assert(turns < 1000);
    run(10);
  }
  assertEquals(ran.length, 2001);
});

Deno.test("a task that queues itself again does not make a turn endless", () => {
  const { add, run, ran, lanes } = scene();
  add("again", 1, Infinity);
  add("again", 2, Infinity);
  run();
  assertEquals([ran.length, lanes.length], [2, 2]);
});

const BULK = 100;
const TUNNEL = placeOf(0 as TunnelRow);

testOnStage("a tenant's hundred full streams do not hold up another one's ping", (stage) => {
  const means = { pipes: new PipePool(), counters: new RelayCounters(1, 1).block(0) };
  const bytes = noise(1, 1 << 18);
  let bulkRuns = 0;
  const session = (lane: number, onRun: () => void) => {
    const [near, far] = [stage.connect(), stage.connect()];
    const relay = new Relay(means);
    relay.begin(TUNNEL);
    relay.out.open = true;
    const task: Task & { lane: number } = {
      queued: false,
      lane,
      run() {
        onRun();
        if (relay.pump(near.socket, far.socket)) stage.loop.enqueue(task);
      },
    };
    near.socket.task = far.socket.task = task;
    return { from: near.peer, to: far.peer };
  };
  const bulk = Array.from({ length: BULK }, () => session(1, () => bulkRuns++));
  let before = -1;
  const ping = session(2, () => before = before < 0 ? bulkRuns : before);
  stage.step(3);
  for (const { from } of bulk) from.send(bytes);
  ping.from.sendAll("ping");
  [bulkRuns, before] = [0, -1];
  const begun = performance.now();
  stage.until(() => ping.to.text() === "ping", "the ping");
  const ms = (performance.now() - begun).toFixed(1);
  console.log(`The ping took ${ms} ms, and ${before} of ${BULK} full streams went before it`);
  assert(before >= 0 && before < BULK / 10);
  means.pipes.dispose();
});
