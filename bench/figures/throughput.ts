// How much bulk data passes, and what a GiB of it costs.

import { moveBulk } from "../load/bulk.ts";
import { cpuDuring } from "../measure/cpu_during.ts";
import { type Case, type FigureOf, pidsOf } from "./figure.ts";

const GIB = 2 ** 30;

function bulkCase(direction: "down" | "up", streams: number, seconds: number): Case {
  const rate = `throughput.${direction}.${streams}`;
  const cost = `cpu_per_gib.${direction}.${streams}`;
  const what = `${direction}, ${streams} ${streams === 1 ? "stream" : "streams"}`;
  return {
    id: rate,
    metrics: [
      { id: rate, title: `throughput ${what}`, unit: "Gbit/s", better: "more" },
      { id: cost, title: `CPU ${what}`, unit: "s/GiB", better: "less" },
    ],
    async measure({ running, services }) {
      const pids = pidsOf(running);
      const load = {
        servicePort: services.bulk,
        publicPort: running.ports.bulk,
        streams,
        direction,
        amount: { seconds },
      };
      const { result, cpu } = await cpuDuring(pids, () => moveBulk(load));
      const values = { [rate]: result.bitsPerSecond / 1e9 };
      return pids.length === 0 ? values : { ...values, [cost]: cpu / (result.bytes / GIB) };
    },
  };
}

/** Bulk throughput. */
export const throughput: FigureOf = ({ streams, bulkSeconds }) => ({
  name: "throughput",
  title: "Bulk throughput, and CPU time per GiB",
  method:
    `iperf3 for ${bulkSeconds} s with ${streams.join(", ")} streams each way (down: from the service to the public), ` +
    `as received; CPU is user and system time of all processes of the contender, from /proc`,
  cases: streams.flatMap((count) => [bulkCase("down", count, bulkSeconds), bulkCase("up", count, bulkSeconds)]),
});
