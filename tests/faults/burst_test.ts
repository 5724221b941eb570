// A burst of visitors: more than a client may be asked for ProxyConns at a time, and all of them in the same moment.

import { assertEquals } from "../support/assert.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { startPair } from "../support/starts.ts";

const VISITORS = 6000;

Deno.test("6,000 visitors at once are all served", async () => {
  using service = new Service();
  await using pair = await startPair(service.address, { server: ["--pool_count=4"] });
  const begun = performance.now();
  const [visitors, conns] = await Promise.all([connectCrowd(pair.address, VISITORS), service.accept(VISITORS)]);
  try {
    for (const conn of conns) conn.sendAll("x");
    let served = 0;
    await awaited("every visitor hears from the service", () => {
      while (served < VISITORS && visitors[served].read().count === 1) served++;
      return served === VISITORS || visitors[served].state !== "open";
    });
    assertEquals(served, VISITORS, "none is lost");
    console.log(`${VISITORS} visitors at once: the slowest after ${Math.round(performance.now() - begun)} ms`);
  } finally {
    for (const peer of [...visitors, ...conns]) peer.close();
  }
});
