// What a client at rest costs on hosts with many threads: as many connections as it keeps ready, before load and after it.

import { assert, assertEquals } from "../support/assert.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { countersOf } from "../support/inspection.ts";
import type { Program } from "../support/program.ts";
import { startPair } from "../support/starts.ts";

const POOL_COUNT = 4;
const VISITORS = 200;
/** Ms after which what a load has left must be gone: its surplus, and then the notice connections beside it. */
const REST_MS = 40_000;

async function heldBy(program: Program): Promise<{ proxies: number; notices: number }> {
  const counters = await countersOf(program);
  return {
    proxies: counters.proxyConnsOpened - counters.proxyConnsClosed,
    notices: counters.noticeConnsOpened - counters.noticeConnsClosed,
  };
}

/** Looks until a client at rest has what it should have at `program`. */
async function awaitRest(program: Program): Promise<void> {
  const deadline = performance.now() + REST_MS;
  for (;;) {
    const { proxies, notices } = await heldBy(program);
    if (proxies === POOL_COUNT && notices > 0 && notices <= POOL_COUNT) return;
    assert(performance.now() < deadline, `${program.name}: ${proxies} ProxyConns, ${notices} notice connections`);
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

Deno.test("a client at rest has pool_count ProxyConns and no more notice connections, with 16 and 15 relay Workers", async () => {
  using service = new Service();
  await using pair = await startPair(service.address, {
    server: ["--work_thread_nums=16", `--pool_count=${POOL_COUNT}`],
    client: ["--work_thread_nums=15"],
  });
  for (const program of [pair.server, pair.client]) await awaitRest(program);
  const [visitors, conns] = await Promise.all([connectCrowd(pair.address, VISITORS), service.accept(VISITORS)]);
  try {
    for (const conn of conns) conn.sendAll("x");
    await awaited("every visitor is served", () => visitors.every((visitor) => visitor.read().count === 1));
    const { proxies, notices } = await heldBy(pair.server);
    console.log(`${VISITORS} visitors: ${proxies} ProxyConns, ${notices} notice connections`);
    assert(notices > POOL_COUNT, "all Workers have a part of the load");
    assert(notices < 16 + 15);
  } finally {
    for (const peer of [...visitors, ...conns]) peer.close();
  }
  for (const program of [pair.server, pair.client]) await awaitRest(program);
  assertEquals((await countersOf(pair.server)).sessionsReset, 0);
});
