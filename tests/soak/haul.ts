// The long haul: rounds of visits and faults, a program killed between some of them, and a balance after each. It prints
// a line every ten seconds.

import { countersOf, until } from "../support/inspection.ts";
import { holdingsOf } from "../support/holdings.ts";
import { type Random, randomFrom } from "../support/random.ts";
import { type Counted, imbalances } from "./balance.ts";
import { doHarm, type Fault, type Victims } from "./faults.ts";
import { Ledger } from "./ledger.ts";
import { pause } from "./line.ts";
import { between, pssOf, type Snapshot, snapshotOf } from "./measure.ts";
import { Pair, type Which } from "./pair.ts";
import { choosePlan, type Habit, type TunnelName, TUNNELS } from "./plan.ts";
import { type Service, startService } from "./services.ts";
import { Stuck, visit } from "./visitors.ts";

/** How many visitors of a habit come at a time, to which tunnel, and the most ms between two visits of one of them. */
const CROWD: readonly {
  readonly habit: Habit;
  readonly tunnel: TunnelName;
  readonly size: number;
  readonly restMs: number;
}[] = [
  { habit: "short", tunnel: "exact", size: 10, restMs: 50 },
  { habit: "bulk", tunnel: "exact", size: 2, restMs: 500 },
  { habit: "slow", tunnel: "exact", size: 3, restMs: 500 },
  { habit: "idle", tunnel: "exact", size: 12, restMs: 500 },
  { habit: "rough", tunnel: "rough", size: 4, restMs: 200 },
  { habit: "mute", tunnel: "mute", size: 4, restMs: 300 },
  { habit: "short", tunnel: "nobody", size: 1, restMs: 200 },
];
/** Ms that a visit means to take at most. */
const LONGEST_VISIT_MS = 12_000;
/** Ms for everything to be closed once no visit is under way. */
const QUIET_MS = 25_000;
/** Ms of a part in which a program is killed. */
const LETHAL_MS = 4000;
const STATUS_MS = 10_000;

/** What one round left to compare. */
export interface Round {
  readonly ledger: Ledger;
  readonly counted: Counted;
}

/** What a program held and how large it was, from its start to its end or the end of the run. */
export interface Life {
  readonly which: Which;
  /** After the first round. */
  readonly first: Snapshot;
  last: Snapshot;
  rounds: number;
}

/** What the run found. */
export interface Findings {
  readonly rounds: readonly Round[];
  readonly lethal: readonly Ledger[];
  readonly lives: readonly Life[];
  readonly faults: Readonly<Record<string, number>>;
  readonly wrong: readonly string[];
}

/** One run. */
export class Haul {
  readonly #pair: Pair;
  readonly #services: readonly Service[];
  readonly #seed: number;
  readonly #say: (line: string) => void;
  readonly #rounds: Round[] = [];
  readonly #lethal: Ledger[] = [];
  readonly #lives: Life[] = [];
  readonly #faults: Record<string, number> = {};
  readonly #wrong: string[] = [];
  readonly #began = performance.now();
  #ledger = new Ledger(false);
  #part = 0;
  #visiting = 0;
  #visits = 0;
  readonly #victims: Victims;
  #hushedUntil = 0;

  private constructor(pair: Pair, services: readonly Service[], seed: number, say: (line: string) => void) {
    this.#pair = pair;
    this.#victims = { pair, hush: (ms) => this.#hushedUntil = performance.now() + ms };
    this.#services = services;
    this.#seed = seed;
    this.#say = say;
  }

  /**
   * Runs it.
   *
   * @param forMs How long, in all.
   * @param seed Of what comes when.
   * @param say Takes a line for people.
   */
  static async run(forMs: number, seed: number, say: (line: string) => void): Promise<Findings> {
    await using started = new AsyncDisposableStack();
    let haul: Haul | null = null;
    // before there is a haul nobody visits
    const ledger = () => haul!.#ledger;
    const exact = started.use(startService("exact", ledger));
    const rough = started.use(startService("rough", ledger));
    const mute = started.use(startService("mute", ledger));
    const pair = started.use(
      await Pair.start({ exact: exact.address, rough: rough.address, mute: mute.address, nobody: "127.0.0.1:1" }),
    );
    haul = new Haul(pair, [exact, rough, mute], seed, say);
    const status = setInterval(() => haul!.#status(), STATUS_MS);
    try {
      await haul.#run(forMs);
    } catch (error) {
      haul.#wrong.push(error instanceof Stuck ? error.message : `${(error as Error).stack}`);
      await haul.#tellStuck();
    } finally {
      clearInterval(status);
    }
    return {
      rounds: haul.#rounds,
      lethal: haul.#lethal,
      lives: haul.#lives,
      faults: haul.#faults,
      wrong: haul.#wrong,
    };
  }

  /**
   * Rounds, with a kill between two of them: the client's in the first half, so that the server's life is long, then
   * the server's.
   */
  async #run(forMs: number): Promise<void> {
    const rounds = Math.max(2, Math.round(forMs / 60_000));
    // a killed program takes a second or two to come back, and the end of a round as long
    const roundMs = Math.max(2000, forMs / rounds - LETHAL_MS - 2000);
    for (let round = 0; round < rounds && this.#wrong.length === 0; round++) {
      if (round > 0) {
        const which = round <= rounds / 2 ? "client" : "server";
        await this.#lethalPart(which, round % 2 === 1 ? "SIGKILL" : "SIGTERM");
      }
      await this.#round(roundMs);
    }
  }

  /** Visits and faults, then everything is closed and balanced. */
  async #round(forMs: number): Promise<void> {
    const ledger = this.#begin(false);
    const before = await this.#snapshots();
    const end = performance.now() + forMs;
    const random = this.#random(0);
    await Promise.all([
      this.#crowd(ledger, end, Math.min(LONGEST_VISIT_MS, forMs / 2)),
      doHarm(this.#victims, random, end - 1000, (fault: Fault) => this.#count(fault)),
    ]);
    await this.#quiet();
    const after = await this.#snapshots();
    const counted = Object.fromEntries(TUNNELS.map((name) => [name, {
      server: between(before.server.tunnels[name], after.server.tunnels[name]),
      client: between(before.client.tunnels[name], after.client.tunnels[name]),
    }])) as Counted;
    this.#rounds.push({ ledger, counted });
    this.#wrong.push(...ledger.wrong, ...imbalances(ledger, counted));
    for (const which of ["server", "client"] as const) this.#age(which, after[which]);
  }

  /** Visits while a program dies and comes back: what is not whole must be seen to be broken. */
  async #lethalPart(which: Which, signal: "SIGKILL" | "SIGTERM"): Promise<void> {
    const ledger = this.#begin(true);
    const random = this.#random(0);
    const end = performance.now() + LETHAL_MS;
    const crowd = this.#crowd(ledger, end, LETHAL_MS);
    await pause(random.between(500, LETHAL_MS - 1000));
    await this.#pair.replace(which, signal, random.between(0, 1000));
    this.#count(`${signal} ${which}`);
    await crowd;
    await this.#quiet();
    this.#lethal.push(ledger);
    this.#wrong.push(...ledger.wrong);
    const place = this.#lives.findLastIndex((life) => life.which === which);
    // a life that had one round only has nothing to compare
    if (place >= 0 && this.#lives[place].rounds === 1) this.#lives.splice(place, 1);
    this.#dead.add(which);
  }

  readonly #dead = new Set<Which>(["server", "client"]);

  #age(which: Which, now: Snapshot): void {
    const life = this.#dead.delete(which) ? undefined : this.#lives.findLast((life) => life.which === which);
    if (life === undefined) this.#lives.push({ which, first: now, last: now, rounds: 1 });
    else {
      life.last = now;
      life.rounds++;
    }
  }

  #begin(lethal: boolean): Ledger {
    this.#part++;
    this.#ledger = new Ledger(lethal);
    return this.#ledger;
  }

  /** The same for the same seed, part of the run and number. */
  #random(number: number): Random {
    return randomFrom((this.#seed + this.#part * 1000 + number) >>> 0);
  }

  #count(fault: string): void {
    this.#faults[fault] = (this.#faults[fault] ?? 0) + 1;
  }

  async #crowd(ledger: Ledger, end: number, longestMs: number): Promise<void> {
    const visitors = CROWD.flatMap((crowd) => Array.from({ length: crowd.size }, () => crowd));
    await Promise.all(visitors.map(async ({ habit, tunnel, restMs }, number) => {
      const random = this.#random(number + 1);
      while (performance.now() < end) {
        await pause(Math.max(0, this.#hushedUntil - performance.now()));
        const plan = choosePlan(habit, random, Math.max(1000, Math.min(longestMs, end - performance.now())));
        this.#visiting++;
        this.#visits++;
        const served = await visit(tunnel, this.#pair.addresses[tunnel], plan, ledger).finally(() => this.#visiting--);
        await pause(served ? random.between(0, restMs) : 100);
      }
    }));
  }

  /** Waits until nothing is under way, and every tunnel can be connected to. */
  async #quiet(): Promise<void> {
    await until(
      "every service has done with its connections",
      () => this.#services.map(({ open }) => open),
      (open) => open.every((count) => count === 0),
      QUIET_MS,
    );
    for (const which of ["client", "server"] as const) {
      const idle = this.#pair.idle[which];
      const program = this.#pair.program(which);
      await until(
        `the ${which} holds ${JSON.stringify(idle)} again`,
        () => holdingsOf(program),
        (held) => held.sessions === 0 && held.sockets === idle.sockets,
        QUIET_MS,
      );
    }
    await until(
      "both programs have the same ProxyConns",
      async () => {
        const [server, client] = [
          await countersOf(this.#pair.program("server")),
          await countersOf(this.#pair.program("client")),
        ];
        return [server, client].map((
          c,
        ) => [c.proxyConnsOpened - c.proxyConnsClosed, c.noticeConnsOpened - c.noticeConnsClosed]);
      },
      ([server, client]) => String(server) === String(client),
      QUIET_MS,
    );
  }

  async #snapshots(): Promise<Record<Which, Snapshot>> {
    return {
      server: await snapshotOf(this.#pair.program("server"), this.#pair),
      client: await snapshotOf(this.#pair.program("client"), this.#pair),
    };
  }

  #status(): void {
    const seconds = Math.round((performance.now() - this.#began) / 1000);
    const mib = (which: Which) => Math.round(pssOf(this.#pair.program(which).pid) / 2 ** 20) || "-";
    const { whole, turnedAway, cutOff } = this.#ledger.outcomes;
    const faults = Object.entries(this.#faults).map(([name, times]) => `${name} ${times}`).join(", ");
    this.#say(
      `${String(seconds).padStart(4)} s  part ${this.#part}${this.#ledger.lethal ? " (lethal)" : ""}: ` +
        `${this.#visits} visits, ${this.#visiting} under way; exact ${whole}/${turnedAway}/${cutOff}; ` +
        `${mib("server")}+${mib("client")} MiB; ${faults}`,
    );
  }

  /** What the programs say when something hangs. */
  async #tellStuck(): Promise<void> {
    for (const which of ["server", "client"] as const) {
      const program = this.#pair.program(which);
      try {
        this.#say(`${which}: ${JSON.stringify(await countersOf(program))}`);
      } catch (error) {
        this.#say(`${which}: ${(error as Error).message}`);
      }
      this.#say(program.output);
    }
  }
}
