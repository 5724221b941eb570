// The mistakes of a user, each as one line. It knows nothing of where settings come from.
import { printable, shortened } from "../logging/printable.ts";

/** A mistake in the flags, the environment or the configuration file; `message` is one line for the user. */
export class ConfigError extends Error {
  /** The name of this class. */
  override readonly name: string = "ConfigError";
}

/** A value that is not what its setting takes; the caller that knows the place (flag, or file and key) puts it in front. */
export class UnexpectedValueError extends ConfigError {
  /** The name of this class. */
  override readonly name = "UnexpectedValueError";
  /** What would be right and what was found, as `expected ..., got ...`. */
  readonly explanation: string;

  /**
   * Makes the error of a value.
   *
   * @param expected What would be right, such as `a port from 1 to 65535`.
   * @param got The value found, as {@linkcode describeValue} writes it; leave it out for a secret.
   */
  constructor(expected: string, got?: string) {
    const explanation = got === undefined ? `expected ${expected}` : `expected ${expected}, got ${got}`;
    super(explanation.charAt(0).toUpperCase() + explanation.slice(1));
    this.explanation = explanation;
  }
}

/** How many UTF-16 code units of a wrong value an error shows. */
const SHOWN_UNITS = 80;

/** Writes a value from a flag or a YAML file for an error message: on one line, and not too long. */
export function describeValue(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return value.length === 0 ? "an empty list" : "a list";
  return typeof value === "string" ? quote(value) : "a mapping";
}

/** Puts text in double quotes, with all that one does not see escaped, and cut when it is long. */
export function quote(text: string): string {
  return printable(JSON.stringify(shortened(text, SHOWN_UNITS)));
}

const UNSEEN_NAMES: Readonly<Record<string, string>> = {
  "\t": "a tab",
  "\n": "a line break",
  "\r": "a carriage return",
  "\u00a0": "a no-break space (U+00A0)",
  "\ufeff": "a byte order mark (U+FEFF)",
};

/**
 * Names the first character that one cannot see, or that looks like a blank and is none; `null` if there is none. Blanks
 * themselves (U+0020) can be seen between others.
 */
export function unseenCharacter(text: string): string | null {
  const found = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]|(?! )\p{Zs}/u.exec(text)?.[0];
  if (found === undefined) return null;
  return UNSEEN_NAMES[found] ?? `U+${found.codePointAt(0)!.toString(16).toUpperCase().padStart(4, "0")}`;
}

/** What a left-out letter costs, against 1 for a wrong or a surplus one: people shorten names, as `port` or `prot`. */
const LEFT_OUT_COST = 0.15;

/** The name among `names` that `typed` most probably means, or `undefined` if none is near. */
export function nearestName(typed: string, names: readonly string[]): string | undefined {
  let best: string | undefined;
  let bestCost = typed.length / 3;
  for (const name of names) {
    const cost = typingCost(typed.toLowerCase(), name);
    if (cost < bestCost) {
      best = name;
      bestCost = cost;
    }
  }
  return best;
}

/** The edit distance from `typed` to `name`, where what `typed` leaves out is cheap. */
function typingCost(typed: string, name: string): number {
  // costs[j] is the cost of turning what has been read of `typed` into the first j letters of `name`.
  let costs = Array.from({ length: name.length + 1 }, (_, j) => j * LEFT_OUT_COST);
  for (let i = 1; i <= typed.length; i++) {
    const next = [i];
    for (let j = 1; j <= name.length; j++) {
      const swapped = costs[j - 1]! + (typed[i - 1] === name[j - 1] ? 0 : 1);
      next.push(Math.min(swapped, costs[j]! + 1, next[j - 1]! + LEFT_OUT_COST));
    }
    costs = next;
  }
  return costs[name.length]!;
}
