// Finds out whether a tunnel's LocalServer leads back to the tunnel's own public port, through whatever lies between: other
// tunnels, other hosts, a NAT. It goes by cause and effect alone. The sessions of the suspects are held back and let go in
// rounds: in a loop each one that is let go makes exactly one new visitor at once, and no visitor comes otherwise.
import { type RelayCounters, sessionsUnderWay } from "../relay/counters.ts";
import { type GateStep, rowOfTunnel } from "./worker_config.ts";

/** Ms in which a session that is let go makes its visitor. */
const RESPONSE_MS = 500;
/** Ms at least in which no visitor may come then. A random part is added: regular visitors are in step with no round. */
const REST_MS = 800;
const REST_MORE_MS = 400;
/** Rounds that count; two earlier ones settle the numbers. */
const ROUNDS = 5;
const SETTLING = 2;
/** The part of the sessions let go that must have come again. */
const PART = 0.75;

/** Looks at how many sessions have ended since the waiting ones were turned away; with nothing new in three, that was all. */
const LOOKS = 20;
const LOOKS_IN_VAIN = 3;
/** The part of the other sessions that must have ended then. */
const PART_ENDED = 0.5;

/** What the trial needs of its program. */
export interface LoopTrialEvents {
  /** Tells the gates of a tunnel in all relay Workers. */
  tell(tunnel: number, step: GateStep): void;
  /** The tunnel is a loop, or part of one; its visitors are turned away for a time. */
  onLoop(tunnel: number): void;
}

/** What came of a round, all suspects together. */
interface Outcome {
  /** Sessions that were let go. */
  readonly released: number;
  /** Visitors that came for it. */
  readonly caused: number;
  /** Visitors that came otherwise. */
  readonly uncaused: number;
  /** Sessions that wait now. */
  readonly waiting: number;
}

interface Suspect {
  /** Sessions under way and bytes of answers, as they were counted last. */
  sessions: number;
  bytes: number;
  /** Sessions that wait to be let go. */
  waiting: number;
  /** All that were let go, and all visitors that came for it and not otherwise. */
  released: number;
  caused: number;
}

/** See the file's head. Main isolate. */
export class LoopTrial {
  readonly #counters: RelayCounters;
  readonly #events: LoopTrialEvents;
  readonly #wait: (ms: number) => Promise<void>;
  readonly #suspects = new Map<number, Suspect>();
  #round = 0;
  #running = false;

  /**
   * Makes one without a suspect.
   *
   * @param counters What the relay Workers count.
   * @param events What it needs of its program.
   * @param wait Waits some ms. Default: `setTimeout`.
   */
  constructor(counters: RelayCounters, events: LoopTrialEvents, wait: (ms: number) => Promise<void> = sleep) {
    this.#counters = counters;
    this.#events = events;
    this.#wait = wait;
  }

  /**
   * A relay Worker suspects a tunnel. One that is suspected while a trial settles takes part; later ones have to show again.
   */
  suspect(tunnel: number): void {
    if (this.#suspects.has(tunnel) || this.#round >= SETTLING) return;
    // the round under way is none of its own
    this.#round = -1;
    this.#suspects.set(tunnel, { ...this.#look(tunnel), waiting: 0, released: 0, caused: 0 });
    this.#events.tell(tunnel, "hold");
    if (!this.#running) void this.#run();
  }

  #look(tunnel: number): { sessions: number; bytes: number } {
    const counts = this.#counters.tunnel(rowOfTunnel(tunnel + 1));
    return { sessions: sessionsUnderWay(counts), bytes: counts.bytesToProxy };
  }

  async #run(): Promise<void> {
    this.#running = true;
    for (this.#round = 0; this.#suspects.size > 0 && this.#round < SETTLING + ROUNDS; this.#round++) {
      const outcome = await this.#playRound(this.#round >= SETTLING);
      if (this.#round >= 0 && !mayBeLoop(this.#round, outcome)) break;
    }
    const isOver = this.#round === SETTLING + ROUNDS;
    for (const [tunnel, { released, caused }] of this.#suspects) {
      if (isOver && released >= 2 && caused >= PART * released - 1) continue;
      this.#suspects.delete(tunnel);
      this.#events.tell(tunnel, "open");
    }
    const areLoops = this.#suspects.size > 0 && await this.#endsWithTheLast();
    for (const tunnel of this.#suspects.keys()) {
      this.#events.tell(tunnel, areLoops ? "bar" : "open");
      if (areLoops) this.#events.onLoop(tunnel);
    }
    this.#suspects.clear();
    this.#round = 0;
    this.#running = false;
  }

  /** Turns the waiting sessions away, and looks whether earlier sessions end because of that. */
  async #endsWithTheLast(): Promise<boolean> {
    let [others, atFirst] = [0, 0];
    for (const [tunnel, { sessions, waiting }] of this.#suspects) {
      others += sessions - waiting;
      atFirst += this.#ended(tunnel) + waiting;
      this.#events.tell(tunnel, "turn_away");
    }
    let most = 0;
    for (let [look, inVain] = [0, 0]; look < LOOKS && inVain < LOOKS_IN_VAIN; look++) {
      await this.#wait(RESPONSE_MS);
      let ended = -atFirst;
      for (const tunnel of this.#suspects.keys()) ended += this.#ended(tunnel);
      if (ended > 0 && ended >= PART_ENDED * others) return true;
      inVain = ended > most ? 0 : inVain + 1;
      most = Math.max(most, ended);
    }
    return false;
  }

  #ended(tunnel: number): number {
    const { sessionsEnded, sessionsReset, sessionsRefused } = this.#counters.tunnel(rowOfTunnel(tunnel + 1));
    return sessionsEnded + sessionsReset + sessionsRefused;
  }

  async #playRound(counts: boolean): Promise<Outcome> {
    // what is held in the first round may have passed a gate before it heard
    if (this.#round > 0) { for (const tunnel of this.#suspects.keys()) this.#events.tell(tunnel, "release"); }
    await this.#wait(RESPONSE_MS);
    const prompt = this.#arrivals();
    const restMs = REST_MS + REST_MORE_MS * Math.random();
    await this.#wait(restMs);
    const late = this.#arrivals();
    let [released, caused, uncaused, waiting] = [0, 0, 0, 0];
    for (const [tunnel, suspect] of this.#suspects) {
      const arrived = prompt.get(tunnel) ?? 0;
      const others = late.get(tunnel) ?? 0;
      const effect = arrived - others * RESPONSE_MS / restMs;
      if (counts) {
        suspect.released += suspect.waiting;
        suspect.caused += effect;
      }
      released += suspect.waiting;
      caused += effect;
      uncaused += others;
      suspect.waiting = Math.max(0, arrived + others);
      waiting += suspect.waiting;
    }
    return { released, caused, uncaused, waiting };
  }

  /** How many sessions of each suspect have come since the last look. A tunnel whose LocalServer has said something is none. */
  #arrivals(): Map<number, number> {
    const arrivals = new Map<number, number>();
    for (const [tunnel, suspect] of this.#suspects) {
      const { sessions, bytes } = this.#look(tunnel);
      arrivals.set(tunnel, sessions - suspect.sessions);
      suspect.sessions = sessions;
      if (bytes === suspect.bytes) continue;
      this.#suspects.delete(tunnel);
      this.#events.tell(tunnel, "open");
    }
    return arrivals;
  }
}

/** Whether the suspects may still be a loop, or loops, after a round, 0 up. */
function mayBeLoop(round: number, { released, caused, uncaused, waiting }: Outcome): boolean {
  // no session was let go: visitors come by themselves, and most did
  if (round === 0) return uncaused < 3 || uncaused < (1 - PART) * waiting;
  if (round < SETTLING) return caused > 0;
  return released > 0 && caused >= PART * released - 0.5;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
