// How much memory a contender takes, idle and with many idle connections, and whether those slow down a busy one.

import type { Running } from "../contenders/contender.ts";
import { startAndSee } from "../lineup.ts";
import { moveBulk } from "../load/bulk.ts";
import { loadProgram } from "../load/services.ts";
import { mostConnections } from "../measure/descriptors.ts";
import { memoryOf } from "../measure/processes.ts";
import type { Case, FigureOf, Subject } from "./figure.ts";

/** After this time a contender has settled. */
const SETTLE_MS = 1500;
/** Descriptors besides those of the connections held. */
const RESERVE = 1200;
const HOLD_LIMIT_MS = 60_000;

const settled = () => new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
const memory = ({ programs }: Running) => programs.map(({ pid }) => memoryOf(pid));
const pssOf = (running: Running) => sum(memory(running).map(({ pss }) => pss));

/** Starts it, sees one byte pass, and waits until it has settled. */
async function startIdle({ contender, services }: Subject): Promise<Running> {
  const running = await startAndSee(contender, services);
  await settled();
  return running;
}

const idle: Case = {
  id: "memory.idle",
  metrics: [
    { id: "memory.idle", title: "memory, idle, all processes (PSS)", unit: "MiB", better: "less" },
    { id: "memory.idle.largest", title: "memory, idle, the largest process (PSS)", unit: "MiB", better: "less" },
    { id: "memory.idle.rss", title: "memory, idle, the largest process (RSS)", unit: "MiB", better: "less" },
  ],
  tunnelsOnly: true,
  fresh: true,
  slow: true,
  async measure(subject) {
    await using running = await startIdle(subject);
    const all = memory(running);
    return {
      "memory.idle": sum(all.map(({ pss }) => pss)),
      "memory.idle.largest": Math.max(...all.map(({ pss }) => pss)),
      "memory.idle.rss": Math.max(...all.map(({ rss }) => rss)),
    };
  },
};

/** What fits into the descriptors of every contender; see haproxy, which needs the most of them. */
const fitting = (wanted: number) => Math.min(wanted, Math.floor(mostConnections(2, RESERVE) / 500) * 500);

function heldCase(number: number, seconds: number): Case {
  const count = number.toLocaleString("en");
  return {
    id: "memory.held",
    metrics: [
      { id: "memory.held", title: `memory with ${count} idle connections (PSS)`, unit: "MiB", better: "less" },
      { id: "memory.per_connection", title: "memory added per idle connection", unit: "KiB", better: "less" },
      { id: "held", title: "idle connections held at once", unit: "connections", better: "more" },
      { id: "held.throughput", title: `1 stream with ${count} held, over without`, unit: "×", better: "more" },
    ],
    tunnelsOnly: true,
    fresh: true,
    slow: true,
    async measure(subject) {
      await using running = await startIdle(subject);
      const { services } = subject;
      const bulk = async (seconds: number) => {
        const load = { servicePort: services.bulk, publicPort: running.ports.bulk, streams: 1, amount: { seconds } };
        return (await moveBulk({ ...load, direction: "down" })).bitsPerSecond;
      };
      // What a first load brings into memory, such as compiled code, is no connection's.
      await bulk(1);
      const before = await bulk(seconds);
      await settled();
      const empty = pssOf(running);
      await using holder = loadProgram("hold_program", running.ports.echo, number);
      await holder.line(/Holding/, HOLD_LIMIT_MS);
      await settled();
      const held = pssOf(running);
      const beside = await bulk(seconds);
      const lost = /Lost \d+/.exec(holder.output);
      if (lost !== null) throw new Error(`Held ${number} connections, then: ${lost[0]}`);
      return {
        "memory.held": held,
        "memory.per_connection": (held - empty) * 1024 / number,
        held: number,
        "held.throughput": beside / before,
      };
    },
  };
}

/** Memory. */
export const memoryFigure: FigureOf = ({ held, bulkSeconds }) => {
  const number = fitting(held);
  return {
    name: "memory",
    title: "Resident memory, idle and with many idle connections",
    method:
      `from /proc/PID/smaps_rollup, ${SETTLE_MS / 1000} s after the first byte has passed; then ${
        number.toLocaleString("en")
      } connections, ` +
      `each of which has passed a byte, and one bulk stream for ${bulkSeconds} s with and without them. PSS counts a page ` +
      "that n processes share 1/n; RSS is what a process takes that is alone on its host",
    cases: [idle, heldCase(number, bulkSeconds)],
  };
};
