// The supervisor's side of the Workers: it starts, connects, hears, watches and stops the Workers.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { openEventfd } from "../../ffi/eventfd.ts";
import type { Wiring } from "./mailbox.ts";
import { MessageWriter } from "./message_ring.ts";
import type { LogFields, LogLevel } from "./log_record.ts";
import type { WorkerPost, WorkerStart } from "./reactor_worker.ts";
import { Phase, SharedState } from "./shared_state.ts";
import { allocateRing } from "./spsc_ring.ts";

/** One Worker to start. */
export interface WorkerSpec {
  /** Its name in logs, such as `relay-0`. */
  readonly name: string;
  /** Its entry module, which calls `serveReactor`. */
  readonly module: URL;
  /** Its configuration; plain data. */
  readonly config: unknown;
  /** The Workers that it hears, by number, in draining order. */
  readonly hears: readonly number[];
}

/** The events of Workers for the supervisor. */
export interface WorkerGroupEvents {
  /** A log record. */
  onLog(level: LogLevel, message: string, fields: LogFields): void;
  /** Anything else that a Worker reports. */
  onReport(worker: number, report: unknown): void;
  /** A Worker failed, ended by itself, or stopped turning. The program cannot go on. */
  onFailure(worker: string, reason: string): void;
}

/** Records that a ring holds. A burst beyond it is kept by the producer. */
const RING_CAPACITY = 1024;
/** Records that hold a message: a hundred addresses or more. What is longer takes several turns. */
const MESSAGE_RING_CAPACITY = 256;
const WATCH_INTERVAL_MS = 15_000;
/** Checks in a row without a turn that make a Worker count as stuck. */
const MISSED_CHECKS = 3;

interface Member {
  readonly spec: WorkerSpec;
  readonly worker: Worker;
  turns: number;
  missed: number;
  stopped: boolean;
}

/** The Workers of one program. Main isolate only. */
export class WorkerGroup {
  readonly #state: SharedState;
  readonly #members: Member[];
  readonly #messages: MessageWriter;
  readonly #events: WorkerGroupEvents;
  readonly #watch: ReturnType<typeof setInterval>;
  readonly #ready: Promise<void>;
  readonly #allStopped = Promise.withResolvers<void>();

  /**
   * Starts all Workers. They must all be there before connections come: a Worker cannot be made without descriptors.
   *
   * @param specs The Workers; a Worker's number is its place in the list.
   * @param logLevel The least level that they post.
   * @param events Hears their reports and failures.
   */
  constructor(specs: readonly WorkerSpec[], logLevel: LogLevel, events: WorkerGroupEvents) {
    this.#events = events;
    const wakeFds = specs.map(() => openEventfd());
    const memory = SharedState.allocate(specs.length);
    this.#state = new SharedState(memory, wakeFds);
    const wirings = wire(specs, wakeFds, memory);
    this.#messages = new MessageWriter(
      wirings.map(({ messages }) => messages),
      (worker) => this.#state.wake(worker),
    );
    const waiting = specs.map(() => Promise.withResolvers<void>());
    this.#members = specs.map((spec, number) => {
      const worker = new Worker(spec.module, { type: "module", name: spec.name });
      worker.onmessage = ({ data }: MessageEvent<WorkerPost>) => this.#hear(number, data, waiting[number].resolve);
      const start: WorkerStart = { wiring: wirings[number], logLevel, config: spec.config };
      worker.postMessage(start);
      return { spec, worker, turns: 0, missed: 0, stopped: false };
    });
    this.#ready = Promise.all(waiting.map(({ promise }) => promise)).then(() => {});
    this.#watch = setInterval(() => this.#checkTurns(), WATCH_INTERVAL_MS);
  }

  /** Resolves when every loop runs. */
  ready(): Promise<void> {
    return this.#ready;
  }

  /**
   * Sends a message to a Worker. A Worker that has got one may count on it that earlier messages have
   * reached the others.
   *
   * @param worker Its number.
   * @param message Data that survives JSON.
   */
  post(worker: number, message: unknown): void {
    this.#messages.post(worker, message);
  }

  /** Moves the program to a later phase (see Phase). */
  enterPhase(phase: number): void {
    this.#state.enterPhase(phase);
  }

  /** Resolves when every Worker's loop has ended in order. */
  stopped(): Promise<void> {
    return this.#allStopped.promise;
  }

  #hear(number: number, post: WorkerPost, ready: () => void): void {
    const member = this.#members[number];
    switch (post.kind) {
      case "ready":
        return ready();
      case "log":
        this.#state.countPostHeard(number);
        return this.#events.onLog(post.level, post.message, post.fields);
      case "report":
        this.#state.countPostHeard(number);
        return this.#events.onReport(number, post.report);
      case "failed":
        return this.#events.onFailure(member.spec.name, `${post.message}\n${post.stack}`);
      case "stopped":
        if (this.#state.phase !== Phase.STOP) {
          return this.#events.onFailure(member.spec.name, "Its loop ended by itself");
        }
        member.stopped = true;
        if (this.#members.every(({ stopped }) => stopped)) {
          clearInterval(this.#watch);
          this.#messages.dispose();
          this.#allStopped.resolve();
        }
        return;
      default:
        return post satisfies never;
    }
  }

  #checkTurns(): void {
    this.#members.forEach((member, number) => {
      const turns = this.#state.turns(number);
      member.missed = turns === member.turns ? member.missed + 1 : 0;
      member.turns = turns;
      if (member.missed >= MISSED_CHECKS && !member.stopped) {
        const seconds = MISSED_CHECKS * WATCH_INTERVAL_MS / 1000;
        this.#events.onFailure(member.spec.name, `No turn of its event loop in ${seconds} s`);
      }
    });
  }
}

function wire(specs: readonly WorkerSpec[], wakeFds: readonly Descriptor[], state: SharedArrayBuffer): Wiring[] {
  const links = specs.flatMap(({ hears }, to) =>
    hears.map((from) => ({ from, to, ring: allocateRing(RING_CAPACITY) }))
  );
  return specs.map((_, worker) => ({
    worker,
    wakeFds,
    state,
    messages: allocateRing(MESSAGE_RING_CAPACITY),
    inbound: links.filter(({ to }) => to === worker).map(({ from, ring }) => ({ from, ring })),
    outbound: links.filter(({ from }) => from === worker).map(({ to, ring }) => ({ to, ring })),
  }));
}
