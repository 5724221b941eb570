// The supervisor and its Workers: starting, speaking, failing and stopping.

import { Phase } from "../core/reactor/shared_state.ts";
import { WorkerGroup } from "../core/reactor/worker_group.ts";
import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { soon } from "./support/conns.ts";
import type { Order } from "./support/willing_worker.ts";

/** A group that writes down what it hears, and can wait for it. */
class Group {
  readonly group: WorkerGroup;
  readonly heard: string[] = [];
  #changed = Promise.withResolvers<void>();

  constructor(orders: readonly Order[], hears: readonly number[][] = orders.map(() => [])) {
    const specs = orders.map((config, number) => ({
      name: `worker-${number}`,
      module: new URL("./support/willing_worker.ts", import.meta.url),
      config,
      hears: hears[number],
    }));
    this.group = new WorkerGroup(specs, "info", {
      onLog: (level, message, fields) => this.#note(`${level} ${message} ${JSON.stringify(fields)}`),
      onReport: (worker, report) => this.#note(`${worker}: ${report}`),
      onFailure: (worker, reason) => this.#note(`${worker} failed: ${reason}`),
    });
  }

  #note(what: string): void {
    this.heard.push(what);
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }

  post(worker: number, order: Order): void {
    this.group.post(worker, order);
  }

  /** Waits until a line matches. */
  async line(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = this.heard.find((line) => pattern.test(line));
      if (found !== undefined) return found;
      await soon(`${pattern} among ${JSON.stringify(this.heard)}`, this.#changed.promise);
    }
  }

  async stop(): Promise<void> {
    this.group.enterPhase(Phase.STOP);
    await soon("the end of all Workers", this.group.stopped());
  }
}

/**
 * What a group opens lives as long as the process: eventfds to which other Workers may still write, ports, and the watch
 * over Workers of which one has failed.
 */
function testGroup(name: string, body: () => Promise<void>): void {
  Deno.test({ name, fn: body, sanitizeOps: false, sanitizeResources: false });
}

const NOTHING: Order = { kind: "nothing" };

testGroup("all Workers are ready before the group is, and all stop in order", async () => {
  const group = new Group([NOTHING, NOTHING]);
  await soon("all Workers", group.group.ready());
  assertEquals(group.heard.toSorted(), ["0: nothing done", "1: nothing done"]);
  group.heard.length = 0;
  await group.stop();
  assertEquals(group.heard.toSorted(), [
    "0: disposed",
    "0: phase 2",
    "1: disposed",
    "1: phase 2",
  ]);
});

testGroup("messages wake a sleeping Worker, and come in order", async () => {
  const group = new Group([NOTHING]);
  await soon("the Worker", group.group.ready());
  for (let i = 0; i < 3; i++) group.post(0, { kind: "log", message: `message ${i}` });
  await group.line(/warning message 2/);
  assertEquals(
    group.heard.slice(1),
    [0, 1, 2].flatMap((i) => [`info message ${i} {"wanted":true}`, `warning message ${i} {"wanted":true}`]),
    "and debug records are not wanted",
  );
  await group.stop();
});

testGroup("each Worker hears whom it was said to hear", async () => {
  const group = new Group([NOTHING, NOTHING, NOTHING], [[2], [0], [0, 1]]);
  await soon("all Workers", group.group.ready());
  const sends = [[0, 1, 10], [0, 2, 20], [1, 2, 30], [2, 0, 40]];
  for (const [from, to, word] of sends) group.post(from, { kind: "send", to, word });
  for (const [from, to, word] of sends) await group.line(new RegExp(`^${to}: ${word} from ${from}$`));
  await group.stop();
});

testGroup("every Worker hears of a phase, and the program can be asked for the last one at once", async () => {
  const group = new Group([NOTHING, NOTHING]);
  await soon("all Workers", group.group.ready());
  group.group.enterPhase(Phase.DRAIN);
  await group.line(/^0: phase 1$/);
  await group.line(/^1: phase 1$/);
  await group.stop();
  await group.line(/^1: phase 2$/);
});

testGroup("a Worker that fails is told with its name, message and stack", async () => {
  const group = new Group([NOTHING, NOTHING]);
  await soon("all Workers", group.group.ready());
  group.post(1, { kind: "fail", message: "Something broke" });
  const line = await group.line(/failed/);
  assertMatch(line, /^worker-1 failed: Something broke\n/);
  assert(line.includes("willing_worker.ts"), line);
  group.group.enterPhase(Phase.STOP);
  await group.line(/^0: disposed$/);
});

testGroup("a Worker that fails before its loop runs is told as well", async () => {
  const group = new Group([{ kind: "fail", message: "Cannot start" }]);
  await group.line(/^worker-0 failed: Cannot start\n/);
});

testGroup("a Worker whose loop ends by itself has failed", async () => {
  const group = new Group([NOTHING]);
  await soon("the Worker", group.group.ready());
  group.post(0, { kind: "end" });
  assertEquals(await group.line(/failed/), "worker-0 failed: Its loop ended by itself");
});
