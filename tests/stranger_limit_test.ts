// Who goes when there are too many strangers, who counts as one peer, and how long a peer waits that has failed before.

import { internetAddress, unixAddress } from "../ffi/socket_address.ts";
import { LoginThrottle } from "../core/server/policy/login_throttle.ts";
import { networkOf } from "../core/server/policy/network.ts";
import { type Stranger, StrangerLimit } from "../core/server/policy/stranger_limit.ts";
import { assert, assertEquals } from "./support/assert.ts";

/** Strangers by their names: `here` are those that have not been evicted. */
class Door {
  readonly here: string[] = [];
  readonly #limit: StrangerLimit;
  readonly #strangers = new Map<string, Stranger>();
  evictions = 0;

  constructor(most: number, mostPerNetwork: number) {
    this.#limit = new StrangerLimit(most, mostPerNetwork, () => this.evictions++);
  }

  /** The first letter of a name is the network. */
  admit(...names: string[]): void {
    for (const name of names) {
      const stranger = { evict: () => this.leave(name) };
      this.#strangers.set(name, stranger);
      this.here.push(name);
      this.#limit.admit(stranger, name[0]);
    }
  }

  begin(name: string): void {
    this.#limit.begin(this.#strangers.get(name)!);
  }

  prove(name: string): void {
    this.#limit.prove(this.#strangers.get(name)!);
  }

  leave(name: string): void {
    this.here.splice(this.here.indexOf(name), 1);
    this.#limit.leave(this.#strangers.get(name)!);
  }

  get size(): number {
    return this.#limit.size;
  }
}

Deno.test("one stranger too many of a network replaces the oldest of that network", () => {
  const door = new Door(10, 2);
  door.admit("b1", "a1", "a2", "b2", "a3");
  assertEquals(door.here, ["b1", "a2", "b2", "a3"]);
  assertEquals([door.size, door.evictions], [4, 1]);
});

Deno.test("one stranger too many in all replaces the oldest of the network that has most", () => {
  const door = new Door(4, 10);
  door.admit("a1", "b1", "b2", "b3", "c1");
  assertEquals(door.here, ["a1", "b2", "b3", "c1"]);
});

Deno.test("where no network has more than one stranger, the oldest of all goes", () => {
  const door = new Door(3, 10);
  door.admit("a1", "b1", "c1", "d1");
  assertEquals(door.here, ["b1", "c1", "d1"]);
});

Deno.test("a stranger that has not begun to log in goes before one that has", () => {
  const door = new Door(10, 2);
  door.admit("a1");
  door.begin("a1");
  door.admit("a2", "a3", "a4");
  assertEquals(door.here, ["a1", "a4"]);
  door.begin("a4");
  door.admit("a5");
  assertEquals(door.here, ["a4", "a5"]);
});

Deno.test("a stranger that has shown a proof goes for no other of its network, whatever that has begun", () => {
  const door = new Door(10, 3);
  door.admit("a1", "a2", "a3");
  for (const name of ["a1", "a2"]) door.prove(name);
  for (let i = 4; i < 300; i++) {
    door.admit(`a${i}`);
    door.begin(`a${i}`);
  }
  assertEquals(door.here, ["a1", "a2", "a299"]);
  door.prove("a299");
  door.admit("a300");
  assertEquals(door.here, ["a1", "a2", "a299"], "and none is let in while all have shown one");
  assertEquals(door.size, 3);
  door.leave("a1");
  door.admit("a301");
  assertEquals(door.here, ["a2", "a299", "a301"]);
});

Deno.test("strangers of other networks that have shown no proof go before one that has", () => {
  const door = new Door(4, 3);
  door.admit("a1", "a2", "a3", "b1");
  for (const name of ["a1", "a2", "a3"]) door.prove(name);
  door.admit("c1");
  assertEquals(door.here, ["a1", "a2", "a3", "c1"]);
});

Deno.test("a network whose strangers have all shown proofs does not keep other networks out", () => {
  const door = new Door(4, 4);
  door.admit("a1", "a2", "a3", "b1");
  for (const name of ["a1", "a2", "a3", "b1"]) door.prove(name);
  door.admit("c1");
  assertEquals(door.here, ["a2", "a3", "b1", "c1"]);
  door.prove("c1");
  door.admit("a4");
  assertEquals(door.here, ["a2", "a3", "b1", "c1"], "but only others: it has most itself");
});

Deno.test("a few wrong proofs a second are compared at once, and so are right ones", () => {
  const throttle = new LoginThrottle();
  let compared = 0;
  for (let now = 0; now < 10_000; now += 10) {
    if (!throttle.mayCompareNow("a", now)) continue;
    throttle.failed("a", now);
    compared++;
  }
  assert(compared > 100 && compared <= 110, `${compared} in 10 s`);
  assert(!throttle.mayCompareNow("a", 10_000));
  assert(throttle.mayCompareNow("a", 10_200), "a moment later the next may be right");
  assert(throttle.mayCompareNow("b", 10_000));
});

Deno.test("a stranger that has left makes room, and may leave again", () => {
  const door = new Door(2, 2);
  door.admit("a1", "a2");
  door.leave("a1");
  door.admit("a3");
  assertEquals([door.here, door.size, door.evictions], [["a2", "a3"], 2, 0]);
  door.leave("a2");
  door.leave("a3");
  const stranger = { evict() {} };
  const limit = new StrangerLimit(1, 1, () => {});
  limit.leave(stranger);
  limit.admit(stranger, "a");
  limit.leave(stranger);
  limit.leave(stranger);
  limit.begin(stranger);
  assertEquals([limit.size, door.size], [0, 0]);
});

Deno.test("a peer is an IPv4 address, however it is written, or an IPv6 network of 64 bits", () => {
  const network = (ip: string) => networkOf(internetAddress(ip, Math.floor(Math.random() * 65_536))!);
  assertEquals(network("192.0.2.1"), network("::ffff:192.0.2.1"));
  assertEquals(network("2001:db8:0:1::1"), network("2001:db8:0:1:ffff:ffff:ffff:ffff"));
  const others = ["192.0.2.1", "192.0.2.2", "2001:db8:0:1::1", "2001:db8:0:2::1", "::ffff:192.0.2.3", "::1"];
  assertEquals(new Set(others.map(network)).size, others.length);
  assertEquals(networkOf(unixAddress("/a")), networkOf(unixAddress("/b")));
});

Deno.test("five wrong proofs cost nothing, the next ones wait longer and longer, up to three seconds", () => {
  const throttle = new LoginThrottle();
  const delays = Array.from({ length: 12 }, () => {
    throttle.failed("a", 1000);
    return throttle.delayMs("a", 1000);
  });
  assertEquals(delays, [0, 0, 0, 0, 0, 250, 500, 1000, 2000, 3000, 3000, 3000]);
  assertEquals(throttle.delayMs("b", 1000), 0);
});

Deno.test("a peer that fails every twenty seconds never waits, and any peer is clean after 100 seconds", () => {
  const throttle = new LoginThrottle();
  for (let now = 0; now < 3_600_000; now += 20_000) {
    throttle.failed("a", now);
    assertEquals(throttle.delayMs("a", now), 0);
  }
  for (let i = 0; i < 1000; i++) throttle.failed("b", 0);
  assertEquals(throttle.delayMs("b", 50_000), 3000);
  assertEquals(throttle.delayMs("b", 75_000), 0);
  for (let i = 0; i < 5; i++) throttle.failed("b", 100_000);
  assertEquals(throttle.delayMs("b", 100_000), 0);
});

Deno.test("a bounded number of peers is remembered: the ones that failed last", () => {
  const throttle = new LoginThrottle();
  for (let i = 0; i < 10; i++) throttle.failed("often", 0);
  for (let i = 0; i < 100_000; i++) {
    throttle.failed(`network ${i}`, 0);
    if (i % 1000 === 0) throttle.failed("often", 0);
  }
  assertEquals(throttle.size, 4096);
  assert(throttle.delayMs("often", 0) > 0);
});
