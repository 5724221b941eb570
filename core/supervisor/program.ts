// The life of either program in its main isolate: Workers start, signals come, sessions drain, the process ends.
import type { LogFormat } from "../logging/log_line.ts";
import type { LogLevel } from "../reactor/log_record.ts";
import { errorOutputIdentity, openErrorOutput } from "../../ffi/error_output.ts";
import { buryOrphans } from "../../ffi/process.ts";
import { ConfigError } from "../config/config_error.ts";
import type { Loaded } from "../config/load.ts";
import type { Environment, ReadFile } from "../config/token.ts";
import { formatJournal } from "../logging/log_line.ts";
import { log, startLogging } from "../logging/logging.ts";
import { Phase } from "../reactor/shared_state.ts";
import { WorkerGroup, type WorkerSpec } from "../reactor/worker_group.ts";
import type { RelayCounters } from "../relay/counters.ts";
import type { DrainedReport } from "../relay/drain_watch.ts";
import { TunnelBook, type TunnelReport } from "../relay/tunnel_book.ts";
import { warnOfOpenFiles } from "./secret_file.ts";
import { printable } from "../logging/printable.ts";
import { listenToSignals, onSignals } from "./signals.ts";

/** Ms that the Workers have to end their loops. */
const STOP_MS = 2000;

/** A mistake that the user can mend, told in one line; the program ends with status 1. */
export class StartError extends Error {}

/** The parts of a program. */
export interface ProgramOptions {
  /** Its name. */
  readonly name: string;
  /** The least level of records that Workers post. */
  readonly logLevel: LogLevel;
  /** Ms for sessions to finish after the first signal. */
  readonly drainTimeoutMs: number;
  /** The Workers; a Worker's number is its place in the list. */
  readonly workers: readonly WorkerSpec[];
  /** The numbers of the relay Workers, which report when they have drained. */
  readonly relays: readonly number[];
  /** What the relay Workers count. */
  readonly counters: RelayCounters;
  /** Hears all reports of Workers, but for reports about draining and about tunnels. */
  readonly onReport?: (worker: number, report: unknown) => void;
}

/** One running program. Main isolate only. */
export class Program {
  readonly #options: ProgramOptions;
  readonly #group: WorkerGroup;
  readonly #tunnels: TunnelBook;
  readonly #undrained: Set<number>;
  readonly #drained = Promise.withResolvers<void>();
  #stopping = false;

  /** Starts the Workers and obeys signals from now on. */
  constructor(options: ProgramOptions) {
    this.#options = options;
    this.#undrained = new Set(options.relays);
    this.#tunnels = new TunnelBook(options.counters);
    this.#group = new WorkerGroup(options.workers, options.logLevel, {
      onLog: log,
      onReport: (worker, report) => this.#onReport(worker, report),
      onFailure: (worker, reason) => this.#onFailure(worker, reason),
    });
    onSignals({ onStop: (signal) => this.#onSignal(signal), onCounters: () => this.#logCounters() });
  }

  /** Resolves when every Worker runs; never when the program has been told to stop before. */
  async ready(): Promise<void> {
    await this.#group.ready();
    if (this.#stopping) await new Promise<never>(() => {});
  }

  /** Sends a message to a Worker. */
  post(worker: number, message: unknown): void {
    this.#group.post(worker, message);
  }

  #logCounters(): void {
    for (const { up, fields, sessions, counts } of this.#tunnels.entries()) {
      log("info", "Tunnel counters", { ...fields, up, sessions, ...counts });
    }
    log("info", "Counters", this.#options.counters.totals());
  }

  #onReport(worker: number, report: unknown): void {
    switch ((report as Partial<DrainedReport | TunnelReport>).kind) {
      case "drained":
        this.#undrained.delete(worker);
        if (this.#undrained.size === 0) this.#drained.resolve();
        return;
      case "tunnel":
        return this.#tunnels.note(report as TunnelReport);
      default:
        return this.#options.onReport?.(worker, report);
    }
  }

  #onFailure(worker: string, reason: string): void {
    log("error", "A Worker has failed; the program cannot go on", { worker, reason });
    Deno.exit(1);
  }

  #onSignal(signal: string): void {
    if (this.#stopping) {
      log("warning", "Second signal: stopping at once", { signal });
      Deno.exit(1);
    }
    this.#stopping = true;
    void this.#stop(signal);
  }

  async #stop(signal: string): Promise<void> {
    const { drainTimeoutMs, name } = this.#options;
    log("info", "Stopping; sessions under way may finish", { signal, drain_timeout_s: drainTimeoutMs / 1000 });
    this.#group.enterPhase(Phase.DRAIN);
    const drained = await within(this.#drained.promise, drainTimeoutMs);
    if (!drained) log("warning", "Sessions are cut off at the end of drain_timeout", {});
    this.#group.enterPhase(Phase.STOP);
    await within(this.#group.stopped(), STOP_MS);
    log("info", `${name} has stopped`, {});
    Deno.exit(0);
  }
}

/** Whether a promise resolves within some ms. */
async function within(promise: Promise<void>, timeoutMs: number): Promise<boolean> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<boolean>((resolve) => timer = setTimeout(() => resolve(false), timeoutMs));
  const result = await Promise.race([promise.then(() => true), timeout]);
  clearTimeout(timer);
  return result;
}

/** The settings of logging, which both programs have. */
export interface LogSettings {
  /** The least level that is logged. */
  readonly logLevel: LogLevel;
  /** How records are written. */
  readonly logFormat: LogFormat;
}

/**
 * The main function of a program: it tells each mistake in one line and ends with a status: 2 for a mistake in flags or
 * files, 1 for others.
 *
 * @param name The program's name, for its log.
 * @param load Reads the configuration.
 * @param run Starts the program.
 */
export async function main<C extends LogSettings>(
  name: string,
  load: (args: string[], env: Environment, readFile: ReadFile) => Loaded<C>,
  run: (config: C) => Promise<void>,
): Promise<void> {
  try {
    const loaded = load(Deno.args, Deno.env, Deno.readTextFileSync);
    if (loaded.kind !== "run") return console.log(loaded.text);
    const { config } = loaded;
    // as long as nothing is served there is nothing to wait for
    listenToSignals({ onStop: () => Deno.exit(0), onCounters: () => {} });
    buryOrphans();
    const { logLevel: level, logFormat: format } = config;
    startLogging({ level, format, journal: isJournal(), program: name, write: openErrorOutput() });
    for (const { message, fields } of loaded.warnings) log("warning", message, fields);
    warnOfOpenFiles(loaded.secretFiles);
    await run(config);
  } catch (error) {
    const mistake = error instanceof ConfigError;
    if (!mistake && !(error instanceof StartError)) throw error;
    const line = printable(error.message);
    console.error(isJournal() ? formatJournal("error", line) : line);
    Deno.exit(mistake ? 2 : 1);
  }
}

/** Whether stderr is systemd's journal, which is said so in the environment (systemd.exec(5)). */
function isJournal(): boolean {
  const variable = "JOURNAL_STREAM";
  // a user who runs the program with fewer permissions is not asked for this one
  if (Deno.permissions.querySync({ name: "env", variable }).state !== "granted") return false;
  const stream = Deno.env.get(variable);
  // a child of a service inherits the variable, but may have another stderr
  return stream !== undefined && stream === errorOutputIdentity();
}
