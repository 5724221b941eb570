// `make bench`: measures the contenders one after the other, round by round, and reports medians and ratios. It exits with
// 0 when it could measure, whatever came out.

import { bore } from "./contenders/bore.ts";
import { chisel } from "./contenders/chisel.ts";
import type { Contender } from "./contenders/contender.ts";
import { cproxy } from "./contenders/cproxy.ts";
import { direct } from "./contenders/direct.ts";
import { frp } from "./contenders/frp.ts";
import { haproxy } from "./contenders/haproxy.ts";
import { rathole } from "./contenders/rathole.ts";
import { measureAll } from "./benchmark.ts";
import { connections } from "./figures/connections.ts";
import type { FigureOf } from "./figures/figure.ts";
import { latency } from "./figures/latency.ts";
import { memoryFigure } from "./figures/memory.ts";
import { requests } from "./figures/requests.ts";
import { startup } from "./figures/startup.ts";
import { syscalls } from "./figures/syscalls.ts";
import { throughput } from "./figures/throughput.ts";
import { raiseLimits } from "./measure/descriptors.ts";
import { environment, loadAverage } from "./measure/environment.ts";
import { readOptions } from "./options.ts";
import { figureTable, targetsTable } from "./report/markdown.ts";
import { written } from "./report/numbers.ts";
import { writeResults } from "./report/write.ts";
import type { Entry, Results } from "./results.ts";

const CONTENDERS: readonly Contender[] = [direct, haproxy, cproxy, frp, rathole, bore, chisel];
const FIGURES: readonly FigureOf[] = [throughput, connections, requests, latency, syscalls, startup, memoryFigure];

/** Those with the wanted names, in their own order. @throws {RangeError} For a name that there is not. */
function chosen<T extends { name: string }>(all: readonly T[], names: readonly string[] | null, option: string): T[] {
  const unknown = names?.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) {
    const known = all.map(({ name }) => name).join(", ");
    throw new RangeError(`Cannot measure ${option}="${unknown}": there are ${known}`);
  }
  return all.filter(({ name }) => names === null || names.includes(name));
}

async function entryOf(contender: Contender): Promise<Entry> {
  const { name, setup } = contender;
  const missing = contender.missing();
  return { name, setup, missing, version: missing === null ? await contender.version() : null };
}

async function main(signal: AbortSignal): Promise<void> {
  const options = readOptions(Deno.env);
  const descriptors = await raiseLimits();
  const figures = chosen(FIGURES.map((figureOf) => figureOf(options.scale)), options.figures, "FIGURES");
  const contenders = chosen(CONTENDERS, options.only, "ONLY");
  const entries = await Promise.all(contenders.map(entryOf));
  for (const { name, version, missing } of entries) console.log(`${name}: ${version ?? `missing. ${missing}`}`);
  const results: Results = {
    startedAt: new Date().toISOString(),
    quick: options.quick,
    rounds: 0,
    seconds: 0,
    environment: { ...await environment(), "descriptors of a process, at most": String(descriptors) },
    contenders: entries,
    figures: figures.map(({ cases, ...figure }) => ({ ...figure, metrics: cases.flatMap(({ metrics }) => metrics) })),
    samples: {},
    failures: [],
  };
  const present = contenders.filter((_, i) => entries[i].missing === null);
  const onMeasured = (round: number, id: string, contender: string, outcome: Record<string, number> | string) => {
    const text = typeof outcome === "string"
      ? `FAILED: ${outcome.split("\n")[0]}`
      : Object.entries(outcome).filter(([name]) => !name.includes("/")).map(([, value]) => written(value)).join("  ");
    console.log(`round ${round + 1}  ${id.padEnd(20)} ${contender.padEnd(8)} ${text}`);
  };
  await measureAll(present, figures, options.scale, results, onMeasured, signal);
  results.environment["load after"] = loadAverage();
  for (const figure of results.figures) console.log(`\n${figure.title}\n${figureTable(results, figure)}`);
  console.log(`\nTargets\n${targetsTable(results)}`);
  // A part of it must not take the place of the whole.
  const part = options.quick || options.only !== null || options.figures !== null;
  const folder = new URL(part ? "results/quick/" : "results/", import.meta.url);
  await writeResults({ ...results, quick: part }, folder);
  console.log(`\nWritten to ${folder.pathname} after ${results.seconds} s`);
}

const stop = new AbortController();
for (const name of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(name, () => stop.abort());
try {
  await main(stop.signal);
  Deno.exit(stop.signal.aborted ? 130 : 0);
} catch (error) {
  console.error(error instanceof RangeError ? error.message : error);
  Deno.exit(1);
}
