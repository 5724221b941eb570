// How many system calls a MiB and a connection take.

import { moveBulk } from "../load/bulk.ts";
import { runAb } from "../load/web.ts";
import { countSystemCalls, type SystemCalls } from "../measure/syscalls.ts";
import { type Case, type FigureOf, pidsOf } from "./figure.ts";

const CONCURRENCY = 50;
const AB_SECONDS = 30;
const MIB = 2 ** 20;

const total = (calls: SystemCalls) => Object.values(calls).reduce((sum, count) => sum + count, 0);

function tracedCase(
  id: string,
  unit: string,
  load: (subject: Parameters<Case["measure"]>[0]) => Promise<number>,
): Case {
  return {
    id,
    metrics: [{ id, title: `system calls per ${unit}`, unit: `calls/${unit}`, better: "less" }],
    tunnelsOnly: true,
    slow: true,
    async measure(subject) {
      let done = 0;
      const calls = await countSystemCalls(pidsOf(subject.running), async () => {
        done = await load(subject);
      });
      const each = Object.entries(calls).map(([name, count]) => [`${id}/${name}`, count / done]);
      return { [id]: total(calls) / done, ...Object.fromEntries(each) };
    },
  };
}

/** System calls. */
export const syscalls: FigureOf = ({ tracedMiB, tracedConnections }) => ({
  name: "syscalls",
  title: "System calls per MiB and per connection",
  method:
    `strace -c -f on all processes of the contender: ${tracedMiB} MiB in one stream down, and ${tracedConnections} ` +
    "connections by ab -c 50. strace slows everything down, so the numbers compare contenders, and are no counts of a run at " +
    "full speed",
  cases: [
    tracedCase("syscalls.mib", "MiB", async ({ running, services }) => {
      const load = {
        servicePort: services.bulk,
        publicPort: running.ports.bulk,
        streams: 1,
        direction: "down",
      } as const;
      return (await moveBulk({ ...load, amount: { bytes: tracedMiB * MIB } })).bytes / MIB;
    }),
    tracedCase("syscalls.connection", "connection", async ({ running }) => {
      const load = { port: running.ports.web, concurrency: CONCURRENCY, keepAlive: false, seconds: AB_SECONDS };
      return (await runAb({ ...load, requests: tracedConnections })).requests;
    }),
  ],
});
