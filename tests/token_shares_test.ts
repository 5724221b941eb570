// How many descriptors the clients of each token may have, beside those of others.

import { ConnectionCounts, Held, portPlaceOf } from "../core/server/connection_counts.ts";
import { TokenShares } from "../core/server/token_shares.ts";
import { assertEquals } from "./support/assert.ts";

const DESCRIPTORS = 1000;

function sharesOf(grants: number) {
  const counts = new ConnectionCounts(grants);
  const rules = { descriptors: DESCRIPTORS, maxConnections: Array(grants).fill(Infinity), poolCount: 4 };
  const shares = new TokenShares(rules, counts);
  return {
    counts,
    shares,
    /** Takes what it can get. */
    grab(grant: number): number {
      let taken = 0;
      for (; shares.hasRoom(grant); taken++) counts.count(Held.SPARES, grant, 1);
      return taken;
    },
  };
}

Deno.test("one token that takes all it can get has half, and the next a half of the rest", () => {
  const { counts, shares, grab } = sharesOf(3);
  assertEquals([grab(0), grab(1), grab(2)], [500, 250, 125]);
  // the first one gives back until they have the same
  while (!shares.hasRoom(1)) counts.count(Held.SPARES, 0, -1);
  assertEquals([shares.hasRoom(0), shares.hasRoom(2)], [false, true]);
});

Deno.test("a server of one token shares nothing out", () => {
  const { counts, shares } = sharesOf(1);
  for (let i = 0; i < DESCRIPTORS; i++) counts.count(Held.SPARES, 0, 1);
  assertEquals(shares.hasRoom(0), true);
});

Deno.test("a visitor counts twice: its ProxyConn is there, or will be", () => {
  const { counts } = sharesOf(2);
  const place = portPlaceOf(1, 9000);
  counts.opened(place);
  for (const kind of [Held.SPARES, Held.NOTICES, Held.CLIENTS, Held.PORTS]) counts.count(kind, 1, 1);
  assertEquals([counts.descriptorsOf(1), counts.descriptorsOf(0), counts.descriptorsInAll()], [6, 0, 6]);
  counts.closed(place);
  assertEquals([counts.descriptorsOf(1), counts.ofPort(place), counts.inAll()], [4, 0, 0]);
});
