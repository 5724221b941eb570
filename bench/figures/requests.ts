// How many requests pass per second on connections that stay open.

import { runAb, runWrk } from "../load/web.ts";
import type { Case, FigureOf } from "./figure.ts";

const CONNECTIONS = 50;

/** Requests with keep-alive. */
export const requests: FigureOf = ({ webSeconds, wrk }) => {
  const metric = (id: string, title: string) => ({ id, title, unit: "1/s", better: "more" } as const);
  const byAb: Case = {
    id: "requests.ab",
    metrics: [metric("requests.ab", "requests, ab -k -c 50")],
    async measure({ running }) {
      const load = { port: running.ports.web, concurrency: CONNECTIONS, keepAlive: true, seconds: webSeconds };
      return { "requests.ab": (await runAb(load)).perSecond };
    },
  };
  const byWrk: Case = {
    id: "requests.wrk",
    metrics: [metric("requests.wrk", "requests, wrk -t 1 -c 50")],
    async measure({ running }) {
      return { "requests.wrk": (await runWrk(running.ports.web, CONNECTIONS, webSeconds)).perSecond };
    },
  };
  return {
    name: "requests",
    title: "Requests per second with keep-alive",
    method: `ab -k -c 50${wrk ? " and wrk -c 50" : ""} for ${webSeconds} s against the same nginx`,
    cases: wrk ? [byAb, byWrk] : [byAb],
  };
};
