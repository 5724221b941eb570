// Parties that share the time of a turn: a flood of one takes what the others leave, and nothing more.

import { FairTurns, type SlicedWork } from "../core/reactor/fair_turns.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { testOnStage } from "./support/stage.ts";

/** Slices that cost a part of a turn each, by a clock that only they move. */
class Shop {
  now = 0;
  readonly done: string[] = [];

  work(party: string, slices: number, ms = 1): SlicedWork {
    return {
      party,
      waiting: false,
      slice: () => {
        this.now += ms;
        this.done.push(party);
        return --slices > 0;
      },
    };
  }
}

testOnStage("a flood of one party leaves each other one every second slice", (stage) => {
  const shop = new Shop();
  const turns = new FairTurns(stage.loop, () => shop.now);
  for (let i = 0; i < 60; i++) turns.add(shop.work("flood", 100));
  stage.step();
  const before = shop.done.length;
  turns.add(shop.work("login", 2));
  stage.step(2);
  const seen = shop.done.slice(before);
  assertEquals(seen.filter((party) => party === "login").length, 2);
  assert(seen.lastIndexOf("login") < 5, seen.join(" "));
});

testOnStage("a turn ends in time, and the rest is done in the next ones", (stage) => {
  const shop = new Shop();
  const turns = new FairTurns(stage.loop, () => shop.now);
  for (let i = 0; i < 10; i++) turns.add(shop.work(`party ${i}`, 3, 0.5));
  stage.step();
  assertEquals(shop.done.length, 8);
  stage.until(() => shop.done.length === 30, "all slices");
});

testOnStage("work that is added again while it waits is done once", (stage) => {
  const shop = new Shop();
  const turns = new FairTurns(stage.loop, () => shop.now);
  const work = shop.work("one", 1);
  turns.add(work);
  turns.add(work);
  stage.step(2);
  assertEquals([shop.done, work.waiting], [["one"], false]);
});
