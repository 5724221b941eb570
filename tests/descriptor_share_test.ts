// How descriptors are divided, and how the acceptor learns that PublicConns wait for ProxyConns.

import { shareDescriptors } from "../core/relay/descriptor_share.ts";
import { WaitingRoom } from "../core/server/waiting_room.ts";
import { assert, assertEquals } from "./support/assert.ts";

Deno.test("connections and pipes together fit into the limit, beside what the program itself needs", () => {
  for (const limit of [128, 256, 1024, 20_000, 1 << 20]) {
    for (const relays of [1, 2, 16]) {
      const workers = relays + 2;
      const { connections, pipes, full } = shareDescriptors(limit, workers, relays);
      const own = 30 + 9 * workers;
      if (limit < own + 4 * relays) continue;
      const what = JSON.stringify({ limit, relays, connections, pipes, full });
      assert(pipes >= 1 && pipes <= 256, what);
      assert(own + connections + 2 * pipes * relays <= limit, what);
      assert(own + connections <= full && full + 2 * pipes * relays <= limit, what);
    }
  }
});

Deno.test("with many descriptors nearly all are for connections, and with an unknown limit there are some", () => {
  assert(shareDescriptors(20_000, 4, 2).connections > 18_000);
  assert(shareDescriptors(-22, 4, 2).connections > 500);
});

Deno.test("with too few descriptors there are none for connections, and a pipe still", () => {
  const { connections, pipes } = shareDescriptors(20, 3, 1);
  assertEquals([connections, pipes], [0, 1]);
});

Deno.test("a PublicConn that is dealt out waits until its relay Worker has a ProxyConn for it", () => {
  const acceptor = new WaitingRoom(2);
  const relays = new WaitingRoom(2, acceptor.memory);
  assertEquals(acceptor.waiting(0), 0);
  assertEquals(acceptor.waiting(3), 3, "on the way");
  relays.take(0);
  relays.count(0, 1);
  relays.take(1);
  assertEquals(acceptor.waiting(3), 2, "one was closed on arrival");
  relays.count(0, -1);
  assertEquals(acceptor.waiting(3), 1);
  relays.take(0);
  assertEquals(acceptor.waiting(3), 0);
});

Deno.test("waiting PublicConns are counted right when the number of all has wrapped around", () => {
  const room = new WaitingRoom(1);
  const words = new Int32Array(room.memory);
  words[0] = 0x7fff_ffff;
  room.take(0);
  assertEquals(words[0], -0x8000_0000);
  assertEquals(room.waiting(-0x8000_0000 + 2), 2);
});
