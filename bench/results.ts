// What a run of the benchmark found: plain data, as it is written to results.json. It knows neither how it was measured
// nor how it is shown.

import type { Metric } from "./figures/figure.ts";
import { median, type Rounds } from "./statistics.ts";

/** A contender in the results. */
export interface Entry {
  readonly name: string;
  readonly setup: string;
  /** Null when it is missing. */
  readonly version: string | null;
  /** Why it is missing; null when it is not. */
  readonly missing: string | null;
}

/** A measurement that did not work. */
export interface Failure {
  readonly contender: string;
  /** The case's id. */
  readonly case: string;
  /** From 1. */
  readonly round: number;
  readonly reason: string;
}

/** A figure in the results. */
export interface FigureInfo {
  readonly name: string;
  readonly title: string;
  readonly method: string;
  readonly metrics: readonly Metric[];
}

/** Everything. */
export interface Results {
  readonly startedAt: string;
  readonly quick: boolean;
  /** Rounds that were begun. */
  rounds: number;
  seconds: number;
  /** The machine and the versions of all programs, by what they are. */
  readonly environment: Record<string, string>;
  readonly contenders: readonly Entry[];
  readonly figures: readonly FigureInfo[];
  /** By metric, then by contender: a value for each round. */
  readonly samples: Record<string, Record<string, (number | null)[]>>;
  readonly failures: Failure[];
}

/** Puts values of a round (from 0) in their places. */
export function record(results: Results, contender: string, round: number, values: Record<string, number>): void {
  for (const [metric, value] of Object.entries(values)) {
    const rounds = ((results.samples[metric] ??= {})[contender] ??= []);
    while (rounds.length < round) rounds.push(null);
    rounds[round] = value;
  }
}

/** The values of a contender by round. */
export function samplesOf(results: Results, metric: string, contender: string): Rounds {
  return results.samples[metric]?.[contender] ?? [];
}

/** The median of a contender's values, null if there is none. */
export function medianOf(results: Results, metric: string, contender: string): number | null {
  return median(samplesOf(results, metric, contender));
}
