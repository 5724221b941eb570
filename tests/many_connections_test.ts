// 2,000 connections at once through the real programs, each echoing random data for ten seconds, byte by byte.

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon, writeAll } from "./support/conns.ts";
import { holdingsAfterStart, idleAgain } from "./support/holdings.ts";
import { countersOf } from "./support/inspection.ts";
import { type Random, randomFrom, seedOfRun } from "./support/random.ts";
import { startPair } from "./support/starts.ts";

const CONNECTIONS = 2000;
const DURATION_MS = 10_000;
/** The longest message of a connection, in bytes. */
const LONGEST = 8192;

/** Sends everything back that comes, until the end of it. */
async function echo(conn: Deno.TcpConn): Promise<void> {
  const room = new Uint8Array(LONGEST);
  for (let count = await conn.read(room); count !== null; count = await conn.read(room)) {
    await writeAll(conn, room.subarray(0, count));
  }
  conn.close();
}

Deno.test("2,000 connections at once echo random data for ten seconds without a wrong byte", async () => {
  const random = randomFrom(seedOfRun());
  const noise = crypto.getRandomValues(new Uint8Array(65_536));
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const flags = ["--drain_timeout=1s"];
  const { server, client, address } = stack.use(await startPair(addressOf(listener), { server: flags, client: flags }));
  const idle = [await holdingsAfterStart(server), await holdingsAfterStart(client)];

  const echoing = (async () => {
    const echoes = [];
    for (let i = 0; i < CONNECTIONS; i++) echoes.push(echo(await acceptFrom(listener)));
    await Promise.all(echoes);
  })();
  const visitors = await soon(
    "all are connected",
    Promise.all(Array.from({ length: CONNECTIONS }, () => connectTo(address))),
  );
  const deadline = performance.now() + DURATION_MS;
  let messages = 0;
  const talk = async (visitor: Deno.TcpConn, random: Random) => {
    do {
      const length = random.chance(0.8) ? random.between(1, 200) : random.between(1, LONGEST);
      const start = random.between(0, noise.length - length);
      const message = noise.subarray(start, start + length);
      const [back] = await Promise.all([readExactly(visitor, length), writeAll(visitor, message)]);
      assert(Buffer.compare(back, message) === 0, `Wrong bytes among ${length} that came back`);
      messages++;
      // some talk all the time, most now and then
      if (random.chance(0.9)) await new Promise((resolve) => setTimeout(resolve, random.between(0, 1000)));
    } while (performance.now() < deadline);
  };
  const talking = visitors.map((visitor) => talk(visitor, randomFrom(random.between(1, 2 ** 31))));
  await soon("every message comes back", Promise.all(talking), DURATION_MS + 60_000);
  assertEquals((await countersOf(server)).sessionsEnded, 0);
  for (const visitor of visitors) visitor.close();
  await soon("all echoes end", echoing);
  assert(messages >= 2 * CONNECTIONS, `Only ${messages} messages came back`);
  await idleAgain(server, idle[0], 30_000);
  await idleAgain(client, idle[1], 30_000);
});
