// How many new connections pass per second, and what they cost.

import { runAb } from "../load/web.ts";
import { cpuDuring } from "../measure/cpu_during.ts";
import { type Case, type FigureOf, pidsOf } from "./figure.ts";

const CONCURRENCIES = [50, 500];

function connectionCase(concurrency: number, seconds: number): Case {
  const rate = `connections.${concurrency}`;
  const cost = `cpu_per_10000.${concurrency}`;
  return {
    id: rate,
    metrics: [
      { id: rate, title: `new connections, ab -c ${concurrency}`, unit: "1/s", better: "more" },
      { id: cost, title: `CPU per 10,000 connections, ab -c ${concurrency}`, unit: "s", better: "less" },
    ],
    async measure({ running }) {
      const pids = pidsOf(running);
      const load = { port: running.ports.web, concurrency, keepAlive: false, seconds };
      const { result, cpu } = await cpuDuring(pids, () => runAb(load));
      const values = { [rate]: result.perSecond };
      return pids.length === 0 ? values : { ...values, [cost]: cpu / result.requests * 10_000 };
    },
  };
}

/** New connections. */
export const connections: FigureOf = ({ webSeconds }) => ({
  name: "connections",
  title: "New connections per second, and CPU time per 10,000",
  method:
    `ab -c 50 and -c 500 without keep-alive for ${webSeconds} s against nginx with a page of 0.5 KiB; none may fail`,
  cases: CONCURRENCIES.map((concurrency) => connectionCase(concurrency, webSeconds)),
});
