// A kernel that watches no more descriptors for either program (fs.epoll.max_user_watches): connections are refused one by
// one, wherever they come from, a line says why, and neither program ends.

import { assert, assertEquals } from "../support/assert.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { descriptorsOf, until } from "../support/inspection.ts";
import type { Peer } from "../support/stage.ts";
import { type Commands, FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

/** The number from which on descriptors are not watched: above those that a program has from its start. */
const FIRST = 250;
/** Descriptors that are open then, and visitors that come: more than there is room for. */
const VISITORS = 150;
const REFUSED = /The kernel watches no more connections for this user, and new ones are refused.* reason=ENOSPC/;

function limited(side: "server" | "client"): Commands {
  const script = new URL("../support/without_watches.ts", import.meta.url).pathname;
  const launcher = [Deno.execPath(), "run", "--allow-all", "--quiet", "--no-lock", script, String(FIRST)];
  return { ...FROM_SOURCE, [side]: [...launcher, ...FROM_SOURCE[side]] };
}

for (const side of ["server", "client"] as const) {
  Deno.test(`a ${side} whose connections the kernel does not watch refuses them, and goes on`, async () => {
    using service = new Service();
    await using tunnels = await Tunnels.start(limited(side), { web: service.address }, ["--work_thread_nums=1"]);
    const program = tunnels[side];
    const before = Object.values(descriptorsOf(program.pid)).reduce((sum, count) => sum + count, 0);
    assert(before < FIRST - 20, `The ${side} has ${before} descriptors at its start`);
    const refused = program.nextLine(REFUSED);
    const visitors = await connectCrowd(tunnels.public.get("web")!, VISITORS);
    const served: Peer[] = [];
    try {
      for (const visitor of visitors) visitor.trySend(Uint8Array.of(1));
      await refused;
      // some are served, and the others are told that they are not
      await awaited("every visitor is served or reset", () => {
        for (let peer = service.tryAccept(); peer !== null; peer = service.tryAccept()) served.push(peer);
        for (const peer of served) if (peer.read().count > 0) peer.trySend(peer.take());
        return visitors.every((visitor) => visitor.read().count > 0 || visitor.state !== "open");
      });
      const answered = visitors.filter((visitor) => visitor.count > 0);
      assert(answered.length > 0 && answered.length < VISITORS, `${answered.length} visitors were served`);
      for (const { state } of visitors) assert(state !== "end", "no visitor is given an end in order");
    } finally {
      for (const peer of [...visitors, ...served]) peer.close();
    }
    // with fewer connections there is room again
    const web = tunnels.public.get("web")!;
    await until("a visitor is served", async () => {
      const [visitor] = await connectCrowd(web, 1);
      visitor.trySend(Uint8Array.of(2));
      let peer: Peer | null = null;
      await awaited("it is served or reset", () => {
        peer ??= service.tryAccept();
        return (peer !== null && peer.read().state !== "open") || (peer?.count ?? 0) > 0 ||
          visitor.read().state !== "open";
      });
      const taken = peer as Peer | null;
      const isServed = taken !== null && taken.count > 0;
      for (const end of [visitor, taken]) end?.close();
      return isServed;
    }, Boolean);
    assertEquals((await tunnels.server.stop()).code, 0);
    assertEquals((await tunnels.client.stop()).code, 0);
  });
}
