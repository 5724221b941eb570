// The speed to reach, as ratios in one run, and whether it was reached. It knows numbers, not how they were measured.

import { medianOf, type Results, samplesOf } from "./results.ts";
import { median, range, ratios } from "./statistics.ts";

/** Whom the targets compare with. */
const SUBJECT = "cproxy";
const BASELINE = "haproxy";
const PEERS = ["frp", "rathole", "bore", "chisel"];

/** One row of the table. */
export interface TargetRow {
  /** The id of the metric. */
  readonly metric: string;
  readonly what: string;
  /** What is asked for, such as `≥ 1.15 × haproxy`. */
  readonly asked: string;
  /** What was measured; null when it was not. */
  readonly value: number | null;
  /** The least and the greatest of the rounds. */
  readonly spread: readonly [number, number] | null;
  /** How values are written. */
  readonly unit: string;
  /** Null when it was not measured, or only in part. */
  readonly met: boolean | null;
}

interface Limit {
  readonly least?: number;
  readonly most?: number;
  /** A tie is not enough. */
  readonly strict?: boolean;
}

function isMet(value: number | null, { least, most, strict }: Limit): boolean | null {
  if (value === null) return null;
  if (least !== undefined) return strict ? value > least : value >= least;
  return strict ? value < most! : value <= most!;
}

function asked({ least, most, strict }: Limit): string {
  return least !== undefined ? `${strict ? ">" : "≥"} ${least}` : `${strict ? "<" : "≤"} ${most}`;
}

/** The median of the rounds' ratios of cproxy to another contender. */
function ratioRow(results: Results, what: string, metric: string, limit: Limit, other: string): TargetRow {
  const all = ratios(samplesOf(results, metric, SUBJECT), samplesOf(results, metric, other));
  const value = median(all);
  return {
    metric,
    what,
    asked: `${asked(limit)} × ${other}`,
    value,
    spread: range(all),
    unit: "×",
    met: isMet(value, limit),
  };
}

/** The median of cproxy's own values. */
function valueRow(results: Results, what: string, metric: string, limit: Limit, unit: string): TargetRow {
  const value = medianOf(results, metric, SUBJECT);
  const spread = range(samplesOf(results, metric, SUBJECT));
  return { metric, what, asked: `${asked(limit)} ${unit}`.trim(), value, spread, unit, met: isMet(value, limit) };
}

const WAYS = ["down.1", "up.1", "down.8", "up.8"];
const named = (way: string) =>
  way.replace(/(\w+)\.(\d+)/, (_, direction, n) => `${n} ${n === "1" ? "stream" : "streams"} ${direction}`);

/** Every target about a figure that was to be measured. */
export function targetRows(results: Results): TargetRow[] {
  const chosen = new Set(results.figures.flatMap(({ metrics }) => metrics.map(({ id }) => id)));
  return allRows(results).filter(({ metric }) => chosen.has(metric));
}

function allRows(results: Results): TargetRow[] {
  const ratio = (what: string, metric: string, limit: Limit) => ratioRow(results, what, metric, limit, BASELINE);
  return [
    ...WAYS.map((way) => ratio(`bulk throughput, ${named(way)}`, `throughput.${way}`, { least: 1.15 })),
    ratio("new connections per second, ab -c 50", "connections.50", { least: 1 }),
    ratio("requests per second with keep-alive, ab -k -c 50", "requests.ab", { least: 0.9 }),
    ratio("p50 of the ping-pong, idle", "latency.idle.p50", { most: 1.3 }),
    ratio("p99 of the ping-pong, idle", "latency.idle.p99", { most: 1.5 }),
    ...WAYS.map((way) => ratio(`CPU seconds per GiB, ${named(way)}`, `cpu_per_gib.${way}`, { most: 1 })),
    valueRow(results, "memory added per idle connection, both programs", "memory.per_connection", { most: 4 }, "KiB"),
    ...results.contenders.filter(({ name, missing }) => PEERS.includes(name) && missing === null)
      .flatMap(({ name }) => peerRows(results, name)),
    heldRow(results),
    valueRow(results, "throughput of a busy one beside them, over without", "held.throughput", { least: 0.9 }, ""),
    valueRow(results, "start-up to the first relayed byte", "startup", { most: 400 }, "ms"),
    valueRow(results, "resident memory, idle, the larger program (PSS)", "memory.idle.largest", { most: 70 }, "MiB"),
    valueRow(results, "the same, as RSS: alone on its host", "memory.idle.rss", { most: 70 }, "MiB"),
  ];
}

/** All that were asked for were held: fewer than 10,000 means that the machine allows no more, or that it was a short run. */
function heldRow(results: Results): TargetRow {
  const row = valueRow(results, "connections held at once (all that were tried)", "held", { least: 10_000 }, "");
  return row.met === false ? { ...row, met: null } : row;
}

/** Ahead of a peer in throughput, connections per second and CPU per GiB. */
function peerRows(results: Results, peer: string): TargetRow[] {
  return [
    ...WAYS.map((way) =>
      ratioRow(results, `throughput, ${named(way)}`, `throughput.${way}`, { least: 1, strict: true }, peer)
    ),
    ratioRow(results, "new connections, ab -c 50", "connections.50", { least: 1, strict: true }, peer),
    ...WAYS.map((way) =>
      ratioRow(results, `CPU per GiB, ${named(way)}`, `cpu_per_gib.${way}`, { most: 1, strict: true }, peer)
    ),
  ];
}
