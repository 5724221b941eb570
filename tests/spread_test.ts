// Over which relay Workers a client is spread, and what it costs at rest: as many connections as it keeps ready,
// whatever the threads.

import type { ControlId } from "../core/protocol/ids.ts";
import { Dealer } from "../core/server/acceptor/dealer.ts";
import { ClientLoads } from "../core/server/client_loads.ts";
import { idleShare, lanesOf } from "../core/server/spread.ts";
import { assert, assertEquals } from "./support/assert.ts";

const THREADS = [1, 2, 3, 4, 15, 16, 63, 64, 255];

function count(many: number, of: (i: number) => number): number[] {
  return Array.from({ length: many }, (_, i) => of(i));
}

Deno.test("a client has as many idle ProxyConns as pool_count says, whatever the number of threads", () => {
  for (const relays of THREADS) {
    for (const poolCount of [0, 1, 4, 5, 100]) {
      for (const control of [1, 2, 77, 0xffff_ffff] as ControlId[]) {
        const shares = count(relays, (relay) => idleShare(control, relay, relays, poolCount));
        assertEquals(shares.reduce((sum, share) => sum + share), poolCount);
        const busy = shares.filter((share) => share > 0);
        assertEquals(busy.length, Math.min(relays, poolCount));
        assert(Math.max(...shares) - Math.min(...busy) <= 1);
      }
    }
  }
});

Deno.test("many clients lie on all relay Workers alike", () => {
  const [relays, clients] = [16, 1600];
  const sums = count(relays, (relay) => {
    return count(clients, (client) => idleShare(client + 1 as ControlId, relay, relays, 4)).reduce((a, b) => a + b);
  });
  assertEquals(sums, count(relays, () => clients * 4 / relays));
});

Deno.test("from all relay Workers of the server together, the lanes reach every one of the client's", () => {
  for (const relays of THREADS) {
    for (const workers of THREADS) {
      const { stride, most } = lanesOf(relays, workers);
      const reached = new Set<number>();
      for (let relay = 0; relay < relays; relay++) {
        const own = new Set<number>();
        for (let lane = 0; lane < most; lane++) {
          // numbers of the same lane lead to the same Worker, and back to this one
          const proxies = [1, 2, 1000].map((n) => (n * stride + lane) * relays + relay);
          assertEquals(new Set(proxies.map((proxy) => proxy % workers)).size, 1);
          for (const proxy of proxies) assertEquals(proxy % relays, relay);
          own.add(proxies[0] % workers);
          reached.add(proxies[0] % workers);
        }
        assertEquals(own.size, most, "no two lanes lead to the same Worker");
      }
      assertEquals(reached.size, workers);
      assert(relays * most < relays + workers, "there are never more than so many notice connections");
    }
  }
});

/** The Workers that get so many PublicConns of a client, which stay open. */
function deal(dealer: Dealer, client: ControlId, many: number): Set<number> {
  return new Set(count(many, () => dealer.deal(client)));
}

Deno.test("visits one after the other go to the few Workers that keep ProxyConns ready", () => {
  const [client, relays, poolCount] = [5 as ControlId, 64, 4];
  const loads = new ClientLoads();
  const dealer = new Dealer(loads, relays, poolCount);
  dealer.open(client);
  const dealt = new Set<number>();
  for (let i = 0; i < 1000; i++) {
    dealt.add(dealer.deal(client));
    loads.count(client, -1);
  }
  const ready = count(relays, (i) => i).filter((relay) => idleShare(client, relay, relays, poolCount) > 0);
  assertEquals([...dealt].sort((a, b) => a - b), ready);
});

Deno.test("sessions at the same time have a Worker each as long as there are Workers, and share them evenly beyond", () => {
  const [client, relays] = [5 as ControlId, 16];
  const dealer = new Dealer(new ClientLoads(), relays, 4);
  dealer.open(client);
  assertEquals(deal(dealer, client, 4).size, 4);
  assertEquals(deal(dealer, client, 28).size, relays);
  const more = count(160, () => dealer.deal(client));
  assertEquals(count(relays, (relay) => more.filter((dealt) => dealt === relay).length), count(relays, () => 10));
});

Deno.test("the load of one client spreads no other one", () => {
  const [busy, quiet, relays] = [5 as ControlId, 6 as ControlId, 64];
  const loads = new ClientLoads();
  const dealer = new Dealer(loads, relays, 1);
  dealer.open(busy);
  dealer.open(busy);
  dealer.open(quiet);
  assert(deal(dealer, busy, 200).size === relays);
  dealer.close(busy);
  const dealt = new Set<number>();
  for (let i = 0; i < 10; i++) {
    dealt.add(dealer.deal(quiet));
    loads.count(quiet, -1);
  }
  assertEquals(dealt.size, 1);
});
