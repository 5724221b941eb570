// How long a small message takes there and back, alone and beside bulk data.

import { moveBulk } from "../load/bulk.ts";
import { type PingResult, runPing } from "../load/ping.ts";
import type { Case, FigureOf, Subject } from "./figure.ts";

const BULK_STREAMS = 8;
/** Bulk data flows at full speed after this time. */
const RAMP_MS = 500;
const WARM_UP_MS = 300;
const MOST_PINGS = 200_000;

const PERCENTILES = [["p50", "p50"], ["p99", "p99"], ["p999", "p99.9"]] as const;

function latencyCase(state: "idle" | "busy", ping: (subject: Subject) => Promise<PingResult>): Case {
  return {
    id: `latency.${state}`,
    metrics: PERCENTILES.map(([key, name]) => ({
      id: `latency.${state}.${key}`,
      title: `round trip, ${state}, ${name}`,
      unit: "µs",
      better: "less" as const,
    })),
    async measure(subject) {
      const result = await ping(subject);
      const values = PERCENTILES.map(([key]) => [`latency.${state}.${key}`, result[key] * 1000] as const);
      return { ...Object.fromEntries(values), [`latency.${state}/pings`]: result.count };
    },
  };
}

/** Latency. */
export const latency: FigureOf = ({ pingMs }) => ({
  name: "latency",
  title: "Latency of a 64-byte ping-pong",
  method: `64 bytes there and back over one connection for ${pingMs / 1000} s, by a loop on epoll at both ends; ` +
    `busy: while iperf3 moves ${BULK_STREAMS} streams down through the same contender`,
  cases: [
    latencyCase("idle", ({ running }) => runPing(running.ports.echo, WARM_UP_MS, pingMs, MOST_PINGS)),
    latencyCase("busy", async ({ running, services }) => {
      const bulk = moveBulk({
        servicePort: services.bulk,
        publicPort: running.ports.bulk,
        streams: BULK_STREAMS,
        direction: "down",
        amount: { seconds: Math.ceil((RAMP_MS + WARM_UP_MS + pingMs) / 1000) + 1 },
      });
      // Whichever of the two fails first is the reason; the other is waited for all the same.
      const ping = new Promise((resolve) => setTimeout(resolve, RAMP_MS))
        .then(() => runPing(running.ports.echo, WARM_UP_MS, pingMs, MOST_PINGS));
      const [, result] = await Promise.allSettled([bulk, ping]).then(() => Promise.all([bulk, ping]));
      return result;
    }),
  ],
});
