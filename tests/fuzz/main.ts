// `make fuzz`: many inputs for everything that parses, in as many threads as there are cores, and a table at the end.
// SEED repeats a run, TARGET takes one target, INPUT one of its inputs, INPUTS says how many there are in all.

import { bytesToHex } from "./hex.ts";
import { corpusOf, FuzzFailure, runInput } from "./run.ts";
import { inputOf, type Target } from "./target.ts";
import { inputsOf, TARGETS } from "./targets.ts";
import type { Answer, Job } from "./worker.ts";

/** Each target's inputs are run in so many turns, in which all targets take part: growth shows between the turns. */
const TURNS = 12;
/** Ms for one input. */
const HANG_MS = 5000;
/** Bytes by which a thread's heap may differ between its first turn and its last. */
const GROWTH_BYTES = 16 << 20;

interface Row {
  readonly target: Target;
  inputs: number;
  accepted: number;
  refused: number;
  ms: number;
}

function numberFrom(name: string, fallback: number): number {
  const text = Deno.env.get(name);
  if (text === undefined || text === "") return fallback;
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`Expected a whole number in ${name}, got "${text}"`);
  return number;
}

/** Ends the run; a failing input is kept in a file. */
function fail(message: string, again: string, input: Uint8Array | null): never {
  console.error(`\n${message}\nAgain: make fuzz ${again}`);
  if (input !== null) {
    const file = Deno.makeTempFileSync({ prefix: "fuzz-" });
    Deno.writeFileSync(file, input);
    console.error(`The input is in ${file}; keep it in tests/fuzz/corpus/ when the bug is mended`);
  }
  Deno.exit(1);
}

/** One thread, and what it does at the moment. */
class Thread {
  readonly #worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  readonly #progress = new Int32Array(new SharedArrayBuffer(4));
  #job: Job | null = null;
  #seen = -1;
  #since = 0;
  /** Bytes of heap after the first job, once everything has run, and after the last one. */
  readonly heaps: number[] = [];

  constructor() {
    this.#worker.postMessage(this.#progress.buffer);
  }

  run(job: Job): Promise<Answer> {
    this.#progress[0] = this.#seen = -1;
    this.#since = performance.now();
    this.#job = job;
    return new Promise((resolve) => {
      this.#worker.onmessage = ({ data }) => {
        this.#job = null;
        resolve(data as Answer);
      };
      this.#worker.postMessage(job);
    });
  }

  /** Ends the run if one input takes too long. */
  watch(): void {
    const at = Atomics.load(this.#progress, 0);
    if (this.#job === null || at !== this.#seen) {
      this.#seen = at;
      this.#since = performance.now();
    } else if (performance.now() - this.#since > HANG_MS) {
      const { target, seed } = this.#job;
      const input = at < 0 ? null : inputOf(TARGETS.find(({ name }) => name === target)!, seed, at);
      const hex = input === null ? "" : `: ${bytesToHex(input)}`;
      fail(`${target} hangs on input ${at}${hex}`, `SEED=${seed} TARGET=${target} INPUT=${at}`, input);
    }
  }
}

function* jobsFor(rows: readonly Row[], seed: number): Generator<Job> {
  for (let turn = 0; turn < TURNS; turn++) {
    for (const { target, inputs } of rows) {
      const [from, to] = [turn, turn + 1].map((part) => Math.floor((inputs * part) / TURNS));
      if (to > from) yield { target: target.name, seed, from, to };
    }
  }
}

async function work(thread: Thread, jobs: Iterator<Job>, rows: readonly Row[]): Promise<void> {
  for (let next = jobs.next(); !next.done; next = jobs.next()) {
    const job = next.value;
    const answer = await thread.run(job);
    if (answer.kind === "failed") {
      const index = /fails on input (\d+) /.exec(answer.message)?.[1];
      fail(answer.message, `SEED=${job.seed} TARGET=${job.target} INPUT=${index ?? job.from}`, answer.input);
    }
    const row = rows.find(({ target }) => target.name === job.target)!;
    row.accepted += answer.tally.accepted;
    row.refused += answer.tally.refused;
    row.ms += answer.ms;
    thread.heaps.push(answer.heapBytes);
    tell(rows);
  }
}

let told = 0;

/** Says how far it is, at every quarter. */
function tell(rows: readonly Row[]): void {
  const done = rows.reduce((sum, { accepted, refused }) => sum + accepted + refused, 0);
  const quarters = Math.floor((4 * done) / rows.reduce((sum, { inputs }) => sum + inputs, 0));
  if (quarters > told && quarters < 4) console.log(`${done.toLocaleString("en")} inputs`);
  told = quarters;
}

function expectNoGrowth(threads: readonly Thread[], seed: number): void {
  for (const { heaps } of threads) {
    // The first turn compiles and fills caches. Without --expose-gc the heap also holds what nobody has collected yet.
    const settled = heaps.slice(TARGETS.length);
    if (!("gc" in globalThis) || settled.length < TARGETS.length) continue;
    const [first, last] = [settled[0], settled.at(-1)!];
    const mib = (bytes: number) => `${(bytes / (1 << 20)).toFixed(1)} MiB`;
    console.log(`Heap of a thread: ${mib(first)} after the first turns, ${mib(last)} at the end`);
    if (last - first > GROWTH_BYTES) fail(`The heap grew from ${mib(first)} to ${mib(last)}`, `SEED=${seed}`, null);
  }
}

function printTable(rows: readonly Row[]): void {
  const cells = [["target", "inputs", "accepted", "refused", "inputs/s"]];
  for (const { target, accepted, refused, ms } of rows) {
    const inputs = accepted + refused;
    const perSecond = Math.round((inputs * 1000) / Math.max(ms, 1));
    cells.push([target.name, ...[inputs, accepted, refused, perSecond].map((n) => n.toLocaleString("en"))]);
  }
  const sum = (count: (row: Row) => number) => rows.reduce((total, row) => total + count(row), 0).toLocaleString("en");
  const [accepted, refused] = [sum((row) => row.accepted), sum((row) => row.refused)];
  cells.push(["in all", sum((row) => row.accepted + row.refused), accepted, refused, ""]);
  for (const [name, ...numbers] of cells) {
    console.log(name.padEnd(16) + numbers.map((number) => number.padStart(12)).join(""));
  }
}

const seed = numberFrom("SEED", crypto.getRandomValues(new Uint32Array(1))[0]);
const inputs = numberFrom("INPUTS", 5_000_000);
const only = Deno.env.get("TARGET") || undefined;
const targets = TARGETS.filter(({ name }) => only === undefined || name === only);
if (targets.length === 0) throw new Error(`Expected one of ${TARGETS.map(({ name }) => name).join(", ")} in TARGET`);

const one = numberFrom("INPUT", -1);
if (one >= 0) {
  const input = inputOf(targets[0], seed, one);
  console.log(`Input ${one} of ${targets[0].name}: ${bytesToHex(input)}`);
  const accepted = runInput(targets[0], input, `input ${one} of SEED=${seed}`);
  console.log(accepted ? "It is accepted" : "It is refused");
  Deno.exit(0);
}

console.log(`SEED=${seed}`);
for (const target of targets) {
  for (const { name, input } of corpusOf(target)) {
    try {
      runInput(target, input, `corpus/${target.name}/${name}`);
    } catch (error) {
      if (!(error instanceof FuzzFailure)) throw error;
      fail(error.message, `TARGET=${target.name}`, null);
    }
  }
}

const start = performance.now();
const rows: Row[] = targets.map((target) => ({
  target,
  inputs: inputsOf(target, inputs),
  accepted: 0,
  refused: 0,
  ms: 0,
}));
const threads = Array.from({ length: Math.min(navigator.hardwareConcurrency, 8) }, () => new Thread());
const watch = setInterval(() => threads.forEach((thread) => thread.watch()), 500);
const jobs = jobsFor(rows, seed);
await Promise.all(threads.map((thread) => work(thread, jobs, rows)));
clearInterval(watch);
printTable(rows);
expectNoGrowth(threads, seed);
console.log(`No bug found in ${Math.round((performance.now() - start) / 1000)} s`);
Deno.exit(0);
