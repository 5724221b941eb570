// Counters in shared memory: blocks, rows, who has which row, and the supervisor's book of them.

import {
  Count,
  placeOf,
  RelayCounters,
  TUNNEL_COLUMNS,
  type TunnelRow,
  WORKER_COLUMNS,
} from "../core/relay/counters.ts";
import { sessionsInBlock } from "../core/relay/counters.ts";
import { TunnelBook, type TunnelReport } from "../core/relay/tunnel_book.ts";
import { type OwnedRow, TunnelRows } from "../core/server/control/tunnel_rows.ts";
import { MOST_TUNNELS } from "../core/server/worker_config.ts";
import { assert, assertEquals } from "./support/assert.ts";

const row = (number: number) => number as TunnelRow;

Deno.test("the numbers by which the hot path counts fit the names, and every Worker's every row is its own", () => {
  const counters = new RelayCounters(3, 2);
  for (let worker = 0; worker < 3; worker++) {
    const block = counters.block(worker);
    WORKER_COLUMNS.forEach((name, i) => block[Count[name]] += (i + 1) * 10 ** worker);
    for (const tunnel of [0, 1]) {
      TUNNEL_COLUMNS.forEach((name, i) =>
        block[placeOf(row(tunnel)) + Count[name]] += (tunnel + 1) * (i + 1) * 10 ** worker
      );
    }
  }
  const expected = (columns: readonly string[], factor: number) =>
    Object.fromEntries(columns.map((name, i) => [name, factor * (i + 1)]));
  assertEquals<Record<string, number>>(counters.tunnel(row(0)), expected(TUNNEL_COLUMNS, 111));
  assertEquals<Record<string, number>>(counters.tunnel(row(1)), expected(TUNNEL_COLUMNS, 222));
  assertEquals<Record<string, number>>(counters.totals(), {
    ...expected(TUNNEL_COLUMNS, 333),
    ...expected(WORKER_COLUMNS, 111),
  });
});

Deno.test("a view on the same memory sees the same values", () => {
  const counters = new RelayCounters(2, 3);
  new RelayCounters(2, 3, counters.memory).block(1)[placeOf(row(2)) + Count.bytesToProxy] = 2 ** 53 - 1;
  assertEquals([counters.tunnel(row(2)).bytesToProxy, counters.totals().bytesToProxy], [2 ** 53 - 1, 2 ** 53 - 1]);
});

Deno.test("the sessions of a Worker are the sessions of all its tunnels that have not ended in one way or another", () => {
  const block = new RelayCounters(1, 4).block(0);
  block[Count.proxyConnsOpened] = 7;
  for (const [tunnel, opened] of [[0, 5], [3, 10]]) {
    const place = placeOf(row(tunnel));
    block[place + Count.sessionsOpened] = opened;
    for (const name of ["sessionsEnded", "sessionsReset", "sessionsRefused"] as const) block[place + Count[name]] = 1;
  }
  assertEquals(sessionsInBlock(block), 2 + 7);
});

/** Rows of which so many are kept, and a way to count in them. */
function rowsOf(tunnels: number, kept: number) {
  const counters = new RelayCounters(2, tunnels);
  const rows = new TunnelRows(counters, kept);
  return {
    rows,
    /** Takes a row that must be there. */
    take(owner: string): OwnedRow {
      const taken = rows.take(owner);
      assert(taken !== null, `no row for ${owner}`);
      return taken;
    },
    count: (owned: OwnedRow, name: "sessionsOpened" | "sessionsEnded") =>
      counters.block(1)[placeOf(owned.row) + Count[name]]++,
  };
}

Deno.test("a tunnel that comes back has the row that it had, and other rows do not change hands meanwhile", () => {
  const { rows, take } = rowsOf(10, 2);
  const [a, b] = [take("a"), take("b")];
  assertEquals([a, b], [{ row: row(0), before: null }, { row: row(1), before: null }]);
  rows.leave("a", a);
  assertEquals(take("c").row, row(2));
  assertEquals(take("a"), a);
});

Deno.test("a row of a tunnel that is gone is given to another one when enough are kept, with what was counted there", () => {
  const { rows, take, count } = rowsOf(10, 2);
  const [a, b] = [take("a"), take("b")];
  count(a, "sessionsOpened");
  count(a, "sessionsEnded");
  rows.leave("a", a);
  rows.leave("b", b);
  const c = take("c");
  assertEquals([c.row, c.before?.sessionsOpened, c.before?.bytesToProxy], [a.row, 1, 0]);
  assertEquals(take("a").row, row(2), "its own is gone");
  assertEquals(take("b"), b);
});

Deno.test("a row whose sessions go on is not given to another tunnel before they have ended", () => {
  const { rows, take, count } = rowsOf(2, 0);
  const [a, b] = [take("a"), take("b")];
  count(a, "sessionsOpened");
  rows.leave("a", a);
  assertEquals(rows.take("c"), null);
  rows.leave("b", b);
  assertEquals(take("c").row, b.row);
  count(a, "sessionsEnded");
  assertEquals(take("d").row, a.row);
});

Deno.test("there are rows for 65,535 tunnels, and unused rows take no memory", () => {
  const resident = () => Number(/VmRSS:\s+(\d+) kB/.exec(Deno.readTextFileSync("/proc/self/status"))![1]) >> 10;
  const before = resident();
  // 256 MiB
  const counters = new RelayCounters(64, MOST_TUNNELS);
  assert(resident() - before < 64, `${resident() - before} MiB`);
  const rows = new TunnelRows(counters);
  for (let i = 0; i < MOST_TUNNELS; i++) assert(rows.take(`${i}`) !== null);
  assertEquals([MOST_TUNNELS, rows.take("one more")], [65_535, null]);
});

Deno.test("a tunnel gets a new row soon though thousands that are gone still have sessions", () => {
  const { rows, take, count } = rowsOf(10_000, 0);
  for (let i = 0; i < 5000; i++) {
    const owned = take(`${i}`);
    count(owned, "sessionsOpened");
    rows.leave(`${i}`, owned);
  }
  assertEquals(take("new").row, row(5000));
  assertEquals(take("0").row, row(0), "none of theirs has been given away");
});

Deno.test("the book has the tunnels that are up or have sessions, and counts what they did since they have their row", () => {
  const counters = new RelayCounters(1, 2);
  const book = new TunnelBook(counters);
  const at = placeOf(row(1));
  const block = counters.block(0);
  const report = (up: boolean, name: string, before: TunnelReport["before"] = null): TunnelReport => ({
    kind: "tunnel",
    row: row(1),
    up,
    fields: { name },
    before,
  });
  const seen = () =>
    [...book.entries()].map(({ up, fields, sessions, counts }) => [fields.name, up, sessions, counts.sessionsOpened]);
  book.note(report(true, "web"));
  assertEquals(seen(), [["web", true, 0, 0]]);
  block[at + Count.sessionsOpened] = 3;
  block[at + Count.sessionsEnded] = 2;
  book.note(report(false, "web"));
  assertEquals(seen(), [["web", false, 1, 3]]);
  block[at + Count.sessionsReset] = 1;
  assertEquals(seen(), []);
  book.note(report(true, "ssh", counters.tunnel(row(1))));
  block[at + Count.sessionsOpened] = 5;
  assertEquals(seen(), [["ssh", true, 2, 2]]);
});
