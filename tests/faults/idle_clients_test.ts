// Thousands of clients that are logged in and do nothing: what they cost the server is their heartbeats, and memory.

import { assert, assertEquals } from "../support/assert.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { cpuSecondsOf, memoryOf } from "../support/holdings.ts";
import { newTunnelReq } from "../support/messages.ts";
import { startServer } from "../support/starts.ts";

const CLIENTS = 5000;
/** Logins at the same time: fewer than count as too many strangers. */
const AT_ONCE = 100;
/** Of the first client; the others have none. */
const TUNNELS = 1000;
const TOKEN = "the token of all";
const MEASURED_MS = 10_000;
/** Generous: other programs may use the processor as well. */
const MOST_CPU = 0.5;
const MOST_BYTES_EACH = 64 << 10;

Deno.test("five thousand idle clients cost the server little more than their heartbeats", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const rules = `tokens: [{name: all, token: ${TOKEN}, max_clients: ${
    2 * CLIENTS
  }}]\npool_count: 0\nheartbeat_timeout: 5m\n`;
  await Deno.writeTextFile(`${folder}/server.yaml`, rules, { mode: 0o600 });
  const { program, ctlPort } = stack.use(
    await startServer([`--config=${folder}/server.yaml`, "--drain_timeout=0s"]),
  );
  const idle = { bytes: memoryOf(program), cpu: await cpuIn(program, 2000) };
  const clients: CtlSpeaker[] = [];
  const begun = performance.now();
  while (clients.length < CLIENTS) {
    clients.push(
      ...await Promise.all(Array.from({ length: AT_ONCE }, async () => {
        const client = stack.use(await CtlSpeaker.connect(ctlPort));
        await client.logIn(undefined, TOKEN);
        return client;
      })),
    );
  }
  const loginS = (performance.now() - begun) / 1000;
  const [first] = clients;
  for (let tunnel = 1; tunnel <= TUNNELS; tunnel++) {
    await first.send(newTunnelReq(tunnel, `tunnel ${tunnel}`, 0));
    assert((await first.next("NewTunnelRsp")).ok);
  }
  // as real clients do; the server sends its own every heartbeat_interval, which is 10 s
  const beats = Promise.all(clients.map((client) => client.send({ type: "Heartbeat" })));
  const cpu = await cpuIn(program, MEASURED_MS);
  await beats;
  const each = (memoryOf(program) - idle.bytes) / CLIENTS;
  const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
  console.log(
    `${CLIENTS} clients logged in within ${loginS.toFixed(1)} s. The server uses ${percent(cpu)} of a processor ` +
      `(without clients ${percent(idle.cpu)}) and ${(each / 1024).toFixed(1)} KiB of memory for each client`,
  );
  assertEquals(program.output.includes("Client has gone"), false);
  assert(cpu < MOST_CPU && each < MOST_BYTES_EACH);
});

/** The share of one processor that a program uses for some ms. */
async function cpuIn(program: Parameters<typeof cpuSecondsOf>[0], ms: number): Promise<number> {
  const [cpu, time] = [cpuSecondsOf(program), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, ms));
  return (cpuSecondsOf(program) - cpu) * 1000 / (performance.now() - time);
}
