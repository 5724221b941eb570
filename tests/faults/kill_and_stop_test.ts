// Fifty times under load one of the programs is killed and started again, or stopped for a while. CPROXY_SEED repeats
// which, when and for how long.

import { assert, assertEquals } from "../support/assert.ts";
import { soon } from "../support/conns.ts";
import { holdingsAfterStart, idleAgain } from "../support/holdings.ts";
import { until } from "../support/inspection.ts";
import { freePorts, type Program } from "../support/program.ts";
import { randomFrom, seedOfRun } from "../support/random.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";
import { type Outcome, visit, VisitService } from "../support/visits.ts";

const ROUNDS = 50;
/** Rounds in which a program is killed; in the others it is stopped and goes on. */
const KILLS = 10;
const VISITORS = 6;
/** Visits in a row, of a visitor, that tell that everything works again. */
const RECOVERED = 2;

Deno.test("fifty kills and stops at random moments under load cut nothing off unnoticed and leave nothing behind", async () => {
  await using stack = new AsyncDisposableStack();
  const random = randomFrom(seedOfRun());
  const service = stack.use(new VisitService());
  const [ctlPort, proxyPort, publicPort] = freePorts(3);
  // a stop of more than a second costs the ctl_conn as well
  const heartbeats = ["--heartbeat_interval=300ms", "--heartbeat_timeout=1s", "--drain_timeout=1s"];
  const start = {
    server: async () =>
      (await startServer([`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, ...heartbeats])).program,
    client: () =>
      startClient(ctlPort, [`--local_server=${service.address}`, `--remote_port=${publicPort}`, ...heartbeats]),
  };
  const programs: { server: Program; client: Program } = { server: await start.server(), client: start.client() };
  stack.defer(async () => void await programs.server.stop());
  stack.defer(async () => void await programs.client.stop());
  const address = await publicAddress(programs.client);
  const idle = { server: await holdingsAfterStart(programs.server), client: await holdingsAfterStart(programs.client) };

  const outcomes: Record<Outcome, number> = { whole: 0, cut: 0 };
  const inARow = new Array<number>(VISITORS).fill(0);
  let loading = true;
  const visitor = async (number: number) => {
    const own = randomFrom(random.between(1, 1 << 30));
    while (loading) {
      const bytes = own.chance(0.15) ? own.between(1 << 19, 4 << 20) : own.between(1, 3000);
      const outcome = await visit(address, own.between(0, 255), bytes);
      outcomes[outcome]++;
      inARow[number] = outcome === "whole" ? inARow[number] + 1 : 0;
      // while nobody listens, every attempt fails at once
      await new Promise((resolve) => setTimeout(resolve, outcome === "whole" ? 5 : 20));
    }
  };
  const load = Array.from({ length: VISITORS }, (_, number) => visitor(number));
  const failure = Promise.all(load);
  failure.catch(() => {}); // told below

  const kills = new Set<number>();
  while (kills.size < KILLS) kills.add(random.between(0, ROUNDS - 1));
  for (let round = 0; round < ROUNDS; round++) {
    await new Promise((resolve) => setTimeout(resolve, random.between(0, 150)));
    const name = random.chance(0.5) ? "server" : "client";
    if (kills.has(round)) {
      programs[name].kill("SIGKILL");
      assertEquals((await programs[name].end()).signal, "SIGKILL");
      programs[name] = await start[name]();
    } else {
      programs[name].kill("SIGSTOP");
      const ms = random.chance(0.15) ? random.between(800, 1500) : random.between(50, 800);
      await new Promise((resolve) => setTimeout(resolve, ms));
      programs[name].kill("SIGCONT");
    }
    inARow.fill(0);
    const recovered = () => inARow.every((count) => count >= RECOVERED);
    const what = `round ${round}: every visitor is served again after what happened to the ${name}`;
    await Promise.race([failure, until(what, () => inARow, recovered)]);
  }
  loading = false;
  await soon("the last visits end", failure, 40_000);
  console.log(JSON.stringify(outcomes));
  assertEquals(service.wrongs, []);
  assert(outcomes.whole > 100 && outcomes.cut > 0, JSON.stringify(outcomes));
  await until("no connection of the service is left open", () => service.open, (open) => open === 0);
  await idleAgain(programs.server, idle.server);
  await idleAgain(programs.client, idle.client);
});
