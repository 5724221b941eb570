// Guesses which name a user meant. It knows nothing of flags and keys.

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
