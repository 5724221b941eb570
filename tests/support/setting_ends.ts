// The ends of what settings accept, made from what they say that they expect: the lowest and the highest values, and those
// right outside. It starts nothing.

import type { SettingsTable } from "../../core/config/setting.ts";

/** What a setting takes at its ends, and what it refuses right outside of them. */
export interface Ends {
  /** The lowest first, the highest last. */
  readonly inside: readonly string[];
  /** Just too low, just too high. */
  readonly outside: readonly string[];
}

const encoded = (text: string) => new TextEncoder().encode(text).length;
/** A host name of 253 characters, which resolves nowhere. */
const LONGEST_HOST = `${"a".repeat(63)}.${"b".repeat(63)}.${"c".repeat(63)}.${"d".repeat(61)}`;

/** The ends of values that are no numbers, by their placeholders. */
const TEXTS: Readonly<Record<string, Ends>> = {
  HOST: { inside: ["127.0.0.1", "::", LONGEST_HOST], outside: ["", `${LONGEST_HOST}e`] },
  "HOST:PORT": { inside: ["a:1", `${LONGEST_HOST}:65535`], outside: [":1", "a:0", "a:65536", `${LONGEST_HOST}e:1`] },
  "HOST:PORT|unix:PATH": {
    inside: ["a:1", "unix:@a", `unix:/${"a".repeat(106)}`, `${LONGEST_HOST}:65535`],
    outside: ["a:0", "a:65536", "unix:", "unix:@", `unix:/${"a".repeat(107)}`],
  },
  NAME: { inside: ["a", "a".repeat(64)], outside: ["", "a".repeat(65)] },
  TOKEN: { inside: ["a", "\u00fc".repeat(512)], outside: ["", "a".repeat(1025)] },
  FILE: { inside: ["a"], outside: [""] },
  RANGES: {
    inside: ["0.0.0.0/0", Array.from({ length: 64 }, (_, i) => `10.0.0.${i}`).join()],
    outside: ["", "0.0.0.0/33", "::/129", Array.from({ length: 65 }, (_, i) => `10.0.0.${i}`).join()],
  },
  PORTS: { inside: ["1", "1-65535", "65535"], outside: ["0", "65536", "0-1", "65535-65536"] },
};

/** The ends of a setting. */
export function endsOf(settings: SettingsTable, key: string): Ends {
  const { placeholder, expected } = settings[key].value;
  const [, low, high] = /^a (?:whole number|port|time) from (\d+(?:ms|s|m)?) to (\d+(?:ms|s|m)?)\b/.exec(expected) ??
    [];
  if (placeholder === "TIME") return { inside: [low, high], outside: [shifted(low, -1), shifted(high, 1)] };
  if (low !== undefined) return { inside: [low, high], outside: [`${Number(low) - 1}`, `${Number(high) + 1}`] };
  const words = /^one of (.*)$/.exec(expected)?.[1].split(", ");
  if (words !== undefined) return { inside: words, outside: ["", `${words[0]}x`] };
  const ends = TEXTS[placeholder];
  if (ends === undefined) throw new Error(`Nobody knows the ends of ${key}, which expects ${expected}`);
  if (placeholder === "TOKEN" && encoded(ends.inside.at(-1)!) !== 1024) throw new Error("The longest token is another");
  return ends;
}

/** A time some ms later. */
function shifted(time: string, ms: number): string {
  const [, amount, unit] = /^(\d+)(ms|s|m)$/.exec(time)!;
  return `${Number(amount) * { ms: 1, s: 1000, m: 60_000 }[unit as "ms" | "s" | "m"] + ms}ms`;
}
