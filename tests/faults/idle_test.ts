// What the programs do when there is nothing to do: next to nothing, also without a client, without a server, without the
// port that is asked for, and without a LocalServer.

import { assert, assertEquals } from "../support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  listenLocally,
  readExactly,
  soon,
  visitEnding,
  writeAll,
} from "../support/conns.ts";
import { cpuSecondsOf, holdingsAfterStart, idleAgain, memoryOf } from "../support/holdings.ts";
import { freePorts, type Program } from "../support/program.ts";
import { publicAddress, startClient, startPair, startServer } from "../support/starts.ts";

const WATCHED_MS = 7000;
/** Of one processor. */
const MOST_LOAD = 0.01;

Deno.test("an idle pair, a server without its client, a client without its server and both in a conflict over a port do nothing", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const local = `--local_server=${addressOf(listener)}`;
  const quick = ["--drain_timeout=1s"];
  const idle = stack.use(await startPair(addressOf(listener), { server: quick, client: quick }));

  const alone = stack.use(await startServer(quick));
  const killed = stack.use(startClient(alone.ctlPort, [local]));
  await publicAddress(killed);
  const gone = alone.program.nextLine(/Client has gone/);
  killed.kill("SIGKILL");
  await gone;

  const [nowhere] = freePorts(1);
  const lost = stack.use(startClient(nowhere, [local, ...quick]));
  await lost.line(/Not connected to the server/);

  const taken = (listener.addr as Deno.NetAddr).port;
  const contested = stack.use(await startServer(quick));
  const refused = stack.use(startClient(contested.ctlPort, [local, `--remote_port=${taken}`, ...quick]));
  await refused.line(/WARN .*port/);

  const programs: Record<string, Program> = {
    "an idle server": idle.server,
    "an idle client": idle.client,
    "a server whose client was killed": alone.program,
    "a client without a server": lost,
    "a server whose client asks for a port that is taken": contested.program,
    "a client that asks for a port that is taken": refused,
  };
  // what is loaded lazily at the start is over
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const before = Object.values(programs).map(cpuSecondsOf);
  await new Promise((resolve) => setTimeout(resolve, WATCHED_MS));
  Object.entries(programs).forEach(([what, program], i) => {
    const load = (cpuSecondsOf(program) - before[i]) / (WATCHED_MS / 1000);
    assert(load < MOST_LOAD, `${what} uses ${(load * 100).toFixed(1)} % of a processor`);
  });
});

const VISITORS = 10_000;
const AT_A_TIME = 20;
/** A visitor is let go within this time, ms. */
const SOON_MS = 1000;
const MOST_GROWTH = 8 << 20;

Deno.test("ten thousand visitors of a LocalServer that is down are closed at once and cost nothing, and the first one after it is up is served", async () => {
  await using stack = new AsyncDisposableStack();
  const [port] = freePorts(1);
  const quick = ["--drain_timeout=1s"];
  const { server, client, address } = stack.use(
    await startPair(`127.0.0.1:${port}`, { server: quick, client: quick }),
  );
  const idle = [await holdingsAfterStart(server), await holdingsAfterStart(client)] as const;
  let slowest = 0;
  const visitDown = async () => {
    const start = performance.now();
    await soon("a visitor is closed", visitEnding(address));
    slowest = Math.max(slowest, performance.now() - start);
  };
  const visitMany = async (count: number) => {
    let left = count;
    await Promise.all(Array.from({ length: AT_A_TIME }, async () => {
      while (left-- > 0) await visitDown();
    }));
  };
  // the first ones make what is kept
  await visitMany(VISITORS / 5);
  const before = [memoryOf(server), memoryOf(client)];
  await visitMany(VISITORS * 4 / 5);
  assert(slowest < SOON_MS, `A visitor was closed after ${slowest} ms`);
  [server, client].forEach((program, i) => {
    const growth = memoryOf(program) - before[i];
    assert(growth < MOST_GROWTH, `The ${program.name} has grown by ${growth} bytes`);
  });

  const listener = stack.adopt(Deno.listen({ hostname: "127.0.0.1", port }), (listener) => listener.close());
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
  await writeAll(visitor, new Uint8Array([7]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([7]));
  for (const conn of [service, visitor]) conn.close();
  await idleAgain(server, idle[0]);
  await idleAgain(client, idle[1]);
});
