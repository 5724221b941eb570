// The order of a benchmark: round by round, case by case, contender by contender. It knows neither contenders nor figures.

import type { Contender, Running } from "./contenders/contender.ts";
import type { Case, Figure } from "./figures/figure.ts";
import { Lineup } from "./lineup.ts";
import { startServices } from "./load/services.ts";
import type { Scale } from "./options.ts";
import { record, type Results } from "./results.ts";

/** Between two measurements: the ends of connections are over. */
const PAUSE_MS = 100;
/** A case is not tried again with a contender that failed so often. */
const MOST_FAILURES = 2;

/** Hears of every measurement. */
export type OnMeasured = (
  round: number,
  id: string,
  contender: string,
  outcome: Record<string, number> | string,
) => void;

/**
 * Measures everything and puts it into `results`. A contender that fails is left out of what it failed in, with the reason.
 *
 * @param signal Ends it early: what was measured until then stays.
 */
export async function measureAll(
  contenders: readonly Contender[],
  figures: readonly Figure[],
  scale: Scale,
  results: Results,
  onMeasured: OnMeasured,
  signal: AbortSignal,
): Promise<void> {
  const start = performance.now();
  await using services = await startServices();
  await using lineup = new Lineup(services.ports);

  const measureOne = async (one: Case, contender: Contender): Promise<Record<string, number>> => {
    if (one.fresh) {
      // Another one running would share pages with it, or have its port.
      if (one.slow || contender.exclusive) await lineup.stop(contender);
      return await one.measure({ contender, services: services.ports, running: NOT_RUNNING });
    }
    return await one.measure({ contender, services: services.ports, running: await lineup.get(contender) });
  };
  const failures = (one: Case, contender: Contender) =>
    results.failures.filter((failure) => failure.case === one.id && failure.contender === contender.name).length;

  try {
    for (let round = 0; round < scale.rounds; round++) {
      results.rounds = round + 1;
      for (const one of figures.flatMap(({ cases }) => cases)) {
        if (one.slow && round >= scale.slowRounds) continue;
        for (const contender of contenders) {
          if (one.tunnelsOnly && contender.name === "direct") continue;
          if (failures(one, contender) >= MOST_FAILURES) continue;
          if (signal.aborted || performance.now() - start > scale.budgetMs) return;
          try {
            const values = await measureOne(one, contender);
            record(results, contender.name, round, values);
            onMeasured(round, one.id, contender.name, values);
          } catch (error) {
            if (signal.aborted) return;
            const reason = error instanceof Error ? error.message : String(error);
            results.failures.push({ contender: contender.name, case: one.id, round: round + 1, reason });
            onMeasured(round, one.id, contender.name, reason);
            await lineup.stop(contender);
          }
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        }
      }
    }
  } finally {
    results.seconds = Math.round((performance.now() - start) / 1000);
  }
}

/** A fresh case starts the contender itself. */
const NOT_RUNNING: Running = {
  programs: [],
  output: () => "",
  get ports(): never {
    throw new Error("A fresh case has nothing running");
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
};
