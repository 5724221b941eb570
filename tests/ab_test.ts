// ApacheBench against nginx through a tunnel: nothing fails, and nothing is left behind.

import { assertEquals } from "./support/assert.ts";
import { countersOf, type Descriptors, descriptorsOf, until } from "./support/inspection.ts";
import { startNginx } from "./support/nginx.ts";
import type { Program } from "./support/program.ts";
import { ignoreWithout, runTool } from "./support/tools.ts";
import { FROM_SOURCE, Tunnels } from "./support/tunnels.ts";

const REQUESTS = 100_000;
const CONCURRENT = 100;
const RELAYS = 2;
/** The default of pool_count, and so what stays of the idle ProxyConns when there is no load. */
const IDLE_KEPT = 4;
/** Descriptors of the empty pipes that stay: 16 on each relay Worker. */
const PIPES_KEPT = RELAYS * 16 * 2;

/** The figure that ab prints as `label:   123`; 0 if it prints none, as it does for errors that did not happen. */
function figure(report: string, label: string): number {
  return Number(new RegExp(`^${label}: +(\\d+)`, "m").exec(report)?.[1] ?? 0);
}

async function bench(address: string, ...flags: string[]): Promise<void> {
  // -q: no progress; -s: seconds that one answer may take
  const args = ["-q", "-s", "30", "-n", `${REQUESTS}`, "-c", `${CONCURRENT}`, ...flags, `http://${address}/`];
  const report = await runTool("ab", args, 300_000);
  const failed = figure(report, "Failed requests");
  const wrong = figure(report, "Non-2xx responses");
  assertEquals({ complete: figure(report, "Complete requests"), failed, wrong }, {
    complete: REQUESTS,
    failed: 0,
    wrong: 0,
  }, report);
  if (flags.includes("-k")) assertEquals(figure(report, "Keep-Alive requests"), REQUESTS, report);
}

/** What a program holds: its idle ProxyConns, and its descriptors without the sockets of those. */
interface Held {
  idle: number;
  others: Descriptors;
}

async function heldBy(program: Program): Promise<Held> {
  const { proxyConnsOpened, proxyConnsClosed } = await countersOf(program);
  const idle = proxyConnsOpened - proxyConnsClosed;
  const all = descriptorsOf(program.pid);
  return { idle, others: { ...all, socket: all.socket - idle } };
}

/** Whether `now` is what was held `before`, give or take the idle ProxyConns and the pipes kept for the next time. */
function released(before: Held, now: Held): boolean {
  if (now.idle > IDLE_KEPT) return false;
  const kinds = new Set([...Object.keys(before.others), ...Object.keys(now.others)]);
  return [...kinds].every((kind) => {
    const more = (now.others[kind] ?? 0) - (before.others[kind] ?? 0);
    return kind === "pipe" ? more <= PIPES_KEPT : more === 0;
  });
}

Deno.test({
  name: "ab -n 100000 -c 100 completes twice without and with -k, and no descriptor stays behind",
  ignore: ignoreWithout("ab", "nginx"),
  async fn() {
    await using nginx = await startNginx();
    await using tunnels = await Tunnels.start(FROM_SOURCE, { web: nginx.address }, [`--work_thread_nums=${RELAYS}`]);
    const address = tunnels.public.get("web")!;
    const held = async () => [await heldBy(tunnels.server), await heldBy(tunnels.client)];
    await runTool("ab", ["-q", "-n", "100", `http://${address}/`], 60_000);
    const before = await held();

    for (let round = 0; round < 2; round++) {
      await bench(address);
      await bench(address, "-k");
    }
    // ProxyConns that were opened for the load are closed when they have been idle for a while.
    const what = `both programs hold what they held before, ${JSON.stringify(before)}`;
    await until(what, held, (now) => now.every((program, i) => released(before[i], program)));
    await tunnels.stop();
  },
});
