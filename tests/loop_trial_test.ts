// Telling a loop of tunnels from visitors who come by themselves, and what suspects, holds and bars one.

import { LoopTrial } from "../core/client/loop_trial.ts";
import { LoopGate } from "../core/client/relay/loop_gate.ts";
import { LoopWatch } from "../core/client/relay/loop_watch.ts";
import { type GateStep, rowOfTunnel } from "../core/client/worker_config.ts";
import { Count, placeOf, RelayCounters } from "../core/relay/counters.ts";
import { assertEquals } from "./support/assert.ts";

/** A client whose time a test makes: what its gates hold, and who comes. */
class World {
  readonly counters: RelayCounters;
  readonly steps: string[] = [];
  readonly loops: number[] = [];
  readonly trial: LoopTrial;
  readonly ended: Promise<void>;
  readonly #waiting: number[];
  /** Who comes in `ms`, by itself or because so many were let go. */
  come: (tunnel: number, released: number, ms: number) => number = () => 0;
  /** Whether a session ends when the one that it made does. */
  isChain = true;
  #released: number[];
  #end: () => void = () => {};

  constructor(tunnels: number) {
    this.counters = new RelayCounters(1, tunnels + 1);
    this.#waiting = new Array(tunnels).fill(0);
    this.#released = new Array(tunnels).fill(0);
    this.ended = new Promise((resolve) => this.#end = resolve);
    const events = {
      tell: (tunnel: number, step: GateStep) => {
        this.steps.push(`${step} ${tunnel}`);
        if (step === "turn_away") {
          const row = placeOf(rowOfTunnel(tunnel + 1));
          const counts = this.counters.block(0);
          const ends = this.isChain ? counts[row + Count.sessionsOpened] : this.#waiting[tunnel];
          counts[row + Count.sessionsRefused] += ends;
        }
        if (step === "release") this.#released[tunnel] += this.#waiting[tunnel];
        if (step !== "hold") this.#waiting[tunnel] = 0;
        if (step === "open" || step === "bar") this.#end();
      },
      onLoop: (tunnel: number) => void this.loops.push(tunnel),
    };
    this.trial = new LoopTrial(this.counters, events, (ms) => {
      const released = this.#released;
      this.#released = released.map(() => 0);
      this.#waiting.forEach((_, tunnel) => this.add(tunnel, this.come(tunnel, released[tunnel], ms)));
      return Promise.resolve();
    });
  }

  /** So many visitors of a tunnel come. */
  add(tunnel: number, count: number): void {
    this.#waiting[tunnel] += count;
    this.counters.block(0)[placeOf(rowOfTunnel(tunnel + 1)) + Count.sessionsOpened] += count;
  }
}

Deno.test("a visitor that comes only when another one was let go is in a loop", async () => {
  const world = new World(2);
  world.come = (tunnel, released, ms) => tunnel === 0 ? released : ms > 500 ? 7 : 3;
  world.trial.suspect(0);
  world.add(0, 1);
  await world.ended;
  assertEquals(world.loops, [0]);
  assertEquals([world.steps[0], world.steps.at(-1)], ["hold 0", "bar 0"]);
});

Deno.test("a loop is found beside visitors that come by themselves", async () => {
  const world = new World(1);
  world.come = (_, released, ms) => released + Math.round(ms / 500);
  world.trial.suspect(0);
  world.add(0, 30);
  await world.ended;
  // whoever came by itself is in the loop from then on
  assertEquals(world.loops, [0]);
});

Deno.test("two tunnels that lead to each other are both found", async () => {
  const world = new World(2);
  const went = [0, 0];
  world.come = (tunnel, released) => {
    went[tunnel] = released;
    // who is let go at one comes to the other; the first one is asked first
    return tunnel === 1 ? went[0] : 0;
  };
  const other = world.come;
  world.come = (tunnel, released, ms) => {
    const came = other(tunnel, released, ms);
    if (tunnel === 1 && released > 0) world.add(0, released);
    return came;
  };
  world.trial.suspect(0);
  world.trial.suspect(1);
  world.add(0, 1);
  await world.ended;
  assertEquals(world.loops, [0, 1]);
});

const OTHERS: Record<string, (released: number, ms: number, call: number) => number> = {
  "at a steady pace": (_, ms) => ms / 100,
  "all at once, and no more": () => 0,
  "every few seconds": (_, __, call) => call % 4 === 0 ? 10 : 0,
  "as many as were let go, and some time later": (released, ms) => ms > 500 ? released : 0,
};

for (const [how, come] of Object.entries(OTHERS)) {
  Deno.test(`visitors that come ${how} are no loop`, async () => {
    const world = new World(1);
    let call = 0;
    world.come = (_, released, ms) => Math.round(come(released, ms, call++));
    world.trial.suspect(0);
    world.add(0, 5);
    await world.ended;
    assertEquals([world.loops, world.steps.at(-1)], [[], "open 0"]);
  });
}

Deno.test("visitors who wait for one another at a LocalServer that says nothing are no loop", async () => {
  const world = new World(1);
  world.isChain = false;
  world.come = (_, released) => released;
  world.add(0, 32);
  world.trial.suspect(0);
  world.add(0, 1);
  await world.ended;
  assertEquals([world.loops, world.steps.at(-1)], [[], "open 0"]);
});

Deno.test("a LocalServer that answers anybody is no loop", async () => {
  const world = new World(1);
  let call = 0;
  world.come = (_, released) => {
    if (++call === 8) world.counters.block(0)[placeOf(rowOfTunnel(1)) + Count.bytesToProxy]++;
    return released;
  };
  world.trial.suspect(0);
  world.add(0, 1);
  await world.ended;
  assertEquals([world.loops, world.steps.at(-1)], [[], "open 0"]);
});

Deno.test("many sessions that begin soon, stay and get no answer are suspicious, and then twice as many", () => {
  const counters = new RelayCounters(1, 2).block(0);
  const suspects: number[] = [];
  const watch = new LoopWatch(counters, 1, 1, (tunnel) => suspects.push(tunnel));
  const row = placeOf(rowOfTunnel(1));
  let now = 20_000;
  const begin = (count: number, gapMs = 0, ends = false) => {
    for (let i = 0; i < count; i++) {
      counters[row + Count.sessionsOpened]++;
      watch.note(0, now += gapMs);
      if (ends) counters[row + Count.sessionsRefused]++;
    }
    return suspects.splice(0).length;
  };
  assertEquals(begin(32), 0); // the first one begins the window
  assertEquals(begin(1), 1);
  assertEquals(begin(63), 0);
  assertEquals(begin(1), 1);
  assertEquals(begin(1000, 1000), 0, "slowly");
  assertEquals(begin(1000, 0, true), 0, "refused");
  counters[row + Count.bytesToProxy]++;
  assertEquals(begin(1), 0, "answered");
});

Deno.test("a gate holds, lets go and bars", () => {
  const gate = new LoopGate();
  const told: string[] = [];
  const visitor = (name: string) => ({
    onAdmitted: () => told.push(`${name} in`),
    onBarred: () => told.push(`${name} out`),
  });
  assertEquals(gate.isOpen(0), true);
  gate.step("hold", 0);
  const [one, two, three] = ["one", "two", "three"].map(visitor);
  for (const each of [one, two]) gate.arrive(each, 0);
  gate.forget(one);
  assertEquals([gate.isOpen(0), told], [false, []]);
  gate.step("release", 0);
  gate.arrive(three, 0);
  assertEquals([gate.isOpen(0), told.splice(0)], [false, ["two in"]]);
  gate.step("turn_away", 0);
  gate.arrive(three, 0);
  assertEquals([gate.isOpen(0), told.splice(0)], [false, ["three out"]]);
  gate.step("bar", 0);
  gate.arrive(one, 59_000);
  assertEquals([gate.isOpen(59_000), gate.isOpen(60_000), told], [false, true, ["three out", "one out"]]);
});
