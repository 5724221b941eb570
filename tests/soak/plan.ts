// What one visit does, chosen by the visitor and told to the service in the first bytes, so that both ends know what must
// arrive. It opens no connection.

import type { Random } from "../support/random.ts";

/** The tunnels, by what is behind them. */
export const TUNNELS = ["exact", "rough", "mute", "nobody"] as const;

/** A name of {@linkcode TUNNELS}. */
export type TunnelName = typeof TUNNELS[number];

/** Kinds of visits to an exact service: both ends send all they mean to, end in order, and check what arrives. */
export const EXACT_KINDS = ["exchange", "uploadFirst", "downloadFirst", "talk"] as const;
/** Kinds of visits to a rough service: one end goes when it has received `breakAt` bytes. */
export const ROUGH_KINDS = ["visitorResets", "visitorLeaves", "serviceResets", "serviceLeaves"] as const;
/** Kinds of visits to a mute service, which reads and answers nothing, or does not even read. */
export const MUTE_KINDS = ["visitorEnds", "visitorCuts", "serviceWalksOff"] as const;

const KINDS = [...EXACT_KINDS, ...ROUGH_KINDS, ...MUTE_KINDS] as const;

/** What a visit is. */
export type Kind = typeof KINDS[number];

/** One visit. */
export interface Plan {
  readonly kind: Kind;
  /** Of both payloads: 0 to 255. */
  readonly seed: number;
  /** Bytes to the service behind the header; in a talk, of each message. */
  readonly up: number;
  /** Bytes to the visitor; in a talk, how many messages there are, each of which is echoed. */
  readonly down: number;
  /** Bytes received after which one end goes. */
  readonly breakAt: number;
  /** Ms between two messages of a talk, or between two reads of a slow reader; ms to stay mute. */
  readonly pauseMs: number;
  /** Who reads slowly. */
  readonly slow: "nobody" | "visitor" | "service";
}

const SLOW = ["nobody", "visitor", "service"] as const;

/** Bytes of a plan in front of the payload. */
export const PLAN_BYTES = 20;

/** A plan as it is sent. */
export function encodePlan(plan: Plan): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(PLAN_BYTES));
  view.setUint8(0, KINDS.indexOf(plan.kind));
  view.setUint8(1, plan.seed);
  view.setUint8(2, SLOW.indexOf(plan.slow));
  view.setUint32(4, plan.up);
  view.setUint32(8, plan.down);
  view.setUint32(12, plan.breakAt);
  view.setUint32(16, plan.pauseMs);
  return new Uint8Array(view.buffer);
}

/**
 * Reads a plan.
 *
 * @throws {Error} If it is none: the bytes are not those that were sent.
 */
export function decodePlan(bytes: Uint8Array): Plan {
  const view = new DataView(bytes.buffer, bytes.byteOffset, PLAN_BYTES);
  const [kind, slow] = [KINDS[view.getUint8(0)], SLOW[view.getUint8(2)]];
  if (kind === undefined || slow === undefined) throw new Error(`These are no bytes of a plan: ${bytes}`);
  return {
    kind,
    slow,
    seed: view.getUint8(1),
    up: view.getUint32(4),
    down: view.getUint32(8),
    breakAt: view.getUint32(12),
    pauseMs: view.getUint32(16),
  };
}

/** What a sequence of visits is like. */
export type Habit = "short" | "bulk" | "slow" | "idle" | "rough" | "mute";

const KIB = 1024;
const MIB = 1024 * KIB;

/** Chooses the next visit of a habit; `longestMs` bounds how long it means to take. */
export function choosePlan(habit: Habit, random: Random, longestMs: number): Plan {
  const pick = <T>(items: readonly T[]) => items[random.between(0, items.length - 1)];
  const base = { seed: random.between(0, 15), breakAt: 0, pauseMs: 0, slow: "nobody" } as const;
  switch (habit) {
    case "short":
      if (random.chance(0.25)) {
        return { ...base, kind: "talk", up: random.between(1, 2000), down: random.between(1, 20) };
      }
      return {
        ...base,
        kind: pick(EXACT_KINDS.slice(0, 3)),
        up: random.between(0, 8 * KIB),
        down: random.between(1, 64 * KIB),
      };
    case "bulk":
      return {
        ...base,
        kind: pick(EXACT_KINDS.slice(0, 3)),
        up: pick([0, 1 * MIB, 4 * MIB + 1, 12 * MIB]),
        down: pick([1, 1 * MIB + 7, 4 * MIB, 12 * MIB]),
      };
    case "slow": {
      // a read of 64 KiB at a time
      const pauseMs = random.between(5, 40);
      const bytes = Math.min(4 * MIB, Math.floor(longestMs / pauseMs) * 32 * KIB);
      const slow = pick(["visitor", "service"] as const);
      return { ...base, kind: pick(EXACT_KINDS.slice(0, 3)), up: bytes, down: bytes, slow, pauseMs };
    }
    case "idle": {
      const pauseMs = random.between(200, Math.max(300, longestMs / 2));
      const down = Math.max(1, Math.floor(random.next() * longestMs / pauseMs));
      return { ...base, kind: "talk", up: random.between(1, 200), down, pauseMs };
    }
    case "rough": {
      const [up, down] = [random.between(0, 3 * MIB), random.between(1, 3 * MIB)];
      const kind = pick(ROUGH_KINDS);
      const most = kind.startsWith("visitor") ? down : up;
      const slow = pick(["nobody", "nobody", "visitor", "service"] as const);
      return { ...base, kind, up, down, breakAt: random.between(0, most), slow, pauseMs: 2 };
    }
    case "mute":
      return {
        ...base,
        kind: pick(MUTE_KINDS),
        up: pick([0, 100, 100 * KIB, 2 * MIB]),
        down: 0,
        pauseMs: random.between(10, Math.min(4000, longestMs)),
      };
    default:
      return habit satisfies never;
  }
}
