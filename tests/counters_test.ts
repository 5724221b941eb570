// Counters in shared memory.

import { Counters } from "../core/reactor/counters.ts";
import { Count, RELAY_COLUMNS, relayCounters } from "../core/relay/counters.ts";
import { assertEquals } from "./support/assert.ts";

Deno.test("each Worker has a row of its own, and the totals are over all rows", () => {
  const table = new Counters(["a", "b"], 3);
  for (let row = 0; row < 3; row++) {
    table.row(row)[0] += 10 ** row;
    table.row(row)[1] = -row;
  }
  assertEquals(table.totals(), { a: 111, b: -3 });
});

Deno.test("a table over the same memory sees the same values", () => {
  const table = new Counters(["a", "b"], 2);
  const row = new Counters(["a", "b"], 2, table.memory).row(1);
  row[1] = 2 ** 53 - 1;
  assertEquals(table.totals(), { a: 0, b: 2 ** 53 - 1 });
});

Deno.test("the columns of a relay Worker have the numbers by which the hot path counts", () => {
  const table = relayCounters(2);
  RELAY_COLUMNS.forEach((name, i) => table.row(1)[Count[name]] = i + 1);
  const expected = Object.fromEntries(RELAY_COLUMNS.map((name, i) => [name, i + 1]));
  assertEquals<Record<string, number>>(table.totals(), expected);
});
