// What cuts the client's connections without a word to it: another address, or a pause after which the NAT has
// forgotten all.

import { assert } from "../support/assert.ts";
import { soon } from "../support/conns.ts";
import { type FarPair, session, startFarPair } from "../support/far_pair.ts";
import { ignoreWithoutNetworks, type Network } from "../support/network.ts";

/**
 * Ms for the tunnels to be back: a question, a second connection, a grace, a login. Silence would be noticed after 25
 * s.
 */
const BACK_MS = 10_000;
/** Ms for which the client is stopped. */
const PAUSE_MS = 8000;

const { clock_settime, clock_gettime } = Deno.dlopen("libc.so.6", {
  clock_settime: { parameters: ["i32", "buffer"], result: "i32" },
  clock_gettime: { parameters: ["i32", "buffer"], result: "i32" },
}).symbols;

/** Sets the wall clock to what it says already, which the kernel tells like any other jump; false without the right to. */
function touchClock(): boolean {
  const time = new BigInt64Array(2);
  clock_gettime(0, time);
  return clock_settime(0, time) === 0;
}

/** The router forgets the TCP connections that the client has now: it drops their packets, and takes new ones. */
async function forget(network: Network): Promise<void> {
  const connections = await network.client.tool("ss", ["-Htn", "dst", network.serverHost]);
  const ports = [...connections.matchAll(/198\.51\.100\.2:(\d+) /g)].map(([, port]) => Number(port));
  await network.lose(ports);
}

const changes: Record<string, (pair: FarPair) => Promise<void>> = {
  "the client has another address": async ({ network }) => {
    await network.client.ip("addr del 198.51.100.2/24 dev eth0");
    await network.client.ip("addr add 198.51.100.3/24 dev eth0");
    await network.plug("client");
  },
  "the client is stopped for a time, and the NAT forgets": async ({ network, client }) => {
    client.kill("SIGSTOP");
    await forget(network);
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    client.kill("SIGCONT");
  },
};
if (touchClock()) {
  changes["the clock jumps as after a suspension, and the NAT has forgotten"] = async ({ network }) => {
    await forget(network);
    touchClock();
  };
}

const CONCURRENT = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

Deno.test({
  name: "a client whose surroundings have changed is back soon",
  ignore: ignoreWithoutNetworks(),
  ...CONCURRENT,
  fn: async (t) => {
    const steps = Object.entries(changes).map(([name, change]) =>
      t.step({
        name,
        ...CONCURRENT,
        fn: async () => {
          await using pair = await startFarPair();
          const back = pair.client.nextLine(/Tunnel is up .*name=chosen /, PAUSE_MS + 2 * BACK_MS);
          back.catch(() => {}); // seen below
          await change(pair);
          const since = performance.now();
          await back;
          const ms = performance.now() - since;
          assert(ms < BACK_MS, `It was back after ${ms} ms:\n${pair.client.output}`);
          for (const conn of await soon("a session", session(pair, pair.addresses[1]))) conn.close();
        },
      })
    );
    assert((await Promise.all(steps)).every(Boolean), "Not every step has passed");
  },
});
