// Random numbers that are the same for the same seed, and the seed of a test run. It knows no test.

/** A stream of random numbers. */
export interface Random {
  /** A number from 0 up to but not including 1. */
  next(): number;
  /** A whole number from `low` to `high`, both included. */
  between(low: number, high: number): number;
  /** Whether something of probability `p` happens. */
  chance(p: number): boolean;
}

/** Random numbers from a seed of 32 bits (xorshift32, spread by a multiplication). */
export function randomFrom(seed: number): Random {
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) | 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (Math.imul(state, 0x2545f491) >>> 0) / 2 ** 32;
  };
  return {
    next,
    between: (low, high) => low + Math.floor(next() * (high - low + 1)),
    chance: (p) => next() < p,
  };
}

/** The seed for this run: CPROXY_SEED if it is set, which repeats a run, otherwise any. It is printed. */
export function seedOfRun(): number {
  const given = Deno.env.get("CPROXY_SEED");
  const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(given);
  console.log(`CPROXY_SEED=${seed}`);
  return seed;
}
