// Medians, percentiles and ratios of numbers. It knows nothing of what they count.

/** Values by round; `null` where a round has none. */
export type Rounds = readonly (number | null)[];

/** The median; null of nothing. */
export function median(values: Rounds): number | null {
  const sorted = present(values).sort((a, b) => a - b);
  if (sorted.length === 0) return null;
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** The values that are there. */
export function present(values: Rounds): number[] {
  return values.filter((value) => value !== null);
}

/** The least and the greatest; null of nothing. */
export function range(values: Rounds): [number, number] | null {
  const all = present(values);
  return all.length === 0 ? null : [Math.min(...all), Math.max(...all)];
}

/**
 * `a` over `b` round by round, where both have a value: what disturbs a whole round, disturbs both, and the ratio stays.
 */
export function ratios(a: Rounds, b: Rounds): Rounds {
  return a.map((value, round) => {
    const other = b[round] ?? null;
    return value === null || other === null || other === 0 ? null : value / other;
  });
}

/**
 * The value that `p` per cent of the values are not above (nearest rank).
 *
 * @param sorted In ascending order, at least one.
 * @param p Above 0, at most 100.
 */
export function percentile(sorted: ArrayLike<number>, p: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * p / 100) - 1)];
}
