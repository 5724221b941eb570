// What goes wrong between and in front of the two programs while visits go on, and must disturb none of them that has its
// session: the ctl_conn is cut or falls silent, a program stands still, strangers come.

import type { Program } from "../support/program.ts";
import type { Random } from "../support/random.ts";
import { pause } from "./line.ts";
import type { Pair } from "./pair.ts";

/** What can go wrong, and how often of thirteen times. */
const FAULTS = { cut: 2, freeze: 1, stopServer: 2, stopClient: 2, stopAfterLull: 1, strangers: 5 } as const;

/** A name of a fault. */
export type Fault = keyof typeof FAULTS;

const NAMES = (Object.keys(FAULTS) as Fault[]).flatMap((name) => Array<Fault>(FAULTS[name]).fill(name));
/** Longer than the heartbeat timeout of the programs, so that both sides give the ctl_conn up. */
const FREEZE_MS = 8000;
/** Longer than a ProxyConn may be idle before it is asked whether it is there. */
const LULL_MS = 4000;
/** Longer than it then has to answer, shorter than the heartbeat timeout. */
const STOP_MS = 4000;

/** Whom the faults befall. */
export interface Victims {
  readonly pair: Pair;
  /** Nobody begins a visit for so many ms. */
  hush(ms: number): void;
}

/** Does harm until `until`, in ms of performance.now(), and leaves everything as it was. */
export async function doHarm(
  victims: Victims,
  random: Random,
  until: number,
  done: (fault: Fault) => void,
): Promise<void> {
  for (;;) {
    await pause(random.between(200, 2000));
    const left = until - performance.now();
    const fault = NAMES[random.between(0, NAMES.length - 1)];
    // a freeze costs as much again until the tunnels are back
    if (left < 1000) return;
    if (fault === "freeze" && left < 3 * FREEZE_MS) continue;
    if (fault === "stopAfterLull" && left < LULL_MS + STOP_MS) continue;
    await inflict(fault, victims, random, Math.min(left, STOP_MS));
    done(fault);
  }
}

async function inflict(fault: Fault, { pair, hush }: Victims, random: Random, longestMs: number): Promise<void> {
  switch (fault) {
    case "cut":
      return pair.forwarder.cut();
    case "freeze":
      pair.forwarder.freeze();
      await pause(FREEZE_MS);
      return pair.forwarder.thaw();
    case "stopServer":
      return await stopFor(random.between(50, longestMs), pair.program("server"));
    case "stopClient":
      return await stopFor(random.between(50, longestMs), pair.program("client"));
    case "stopAfterLull":
      // whoever comes next finds ProxyConns that must be asked, and a client that does not answer in time
      hush(LULL_MS);
      await pause(LULL_MS - 100);
      return await stopFor(STOP_MS, pair.program("client"));
    case "strangers":
      return void await Promise.all(Array.from({ length: random.between(1, 12) }, () => intrude(pair, random)));
    default:
      return fault satisfies never;
  }
}

async function stopFor(ms: number, program: Program): Promise<void> {
  program.kill("SIGSTOP");
  await pause(ms);
  program.kill("SIGCONT");
}

const REQUEST = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example\r\n\r\n");

/** One stranger at one of the two ports, who says something or nothing, and stays for a while or not. */
async function intrude(pair: Pair, random: Random): Promise<void> {
  const port = pair.strangerPorts[random.between(0, 1)];
  const bytes = random.chance(0.2)
    ? REQUEST
    : Uint8Array.from({ length: random.between(0, 3000) }, () => random.between(0, 255));
  const stayMs = random.between(0, 1500);
  try {
    using conn = await Deno.connect({ hostname: "127.0.0.1", port });
    await conn.write(bytes);
    await pause(stayMs);
  } catch {
    // to be thrown out is what a stranger is there for
  }
}
