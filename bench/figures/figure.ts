// What a figure is: a question with the ways to ask it of each contender. It knows no particular one.

import type { Contender, Ports, Running } from "../contenders/contender.ts";
import type { Scale } from "../options.ts";

/** One number that is measured. */
export interface Metric {
  /** Unique, such as `throughput.down.8`. */
  readonly id: string;
  /** What it is called in tables. */
  readonly title: string;
  readonly unit: string;
  /** Which of two values is the better one. */
  readonly better: "more" | "less";
}

/** What is measured in one go, for one contender after the other. */
export interface Case {
  /** Unique, such as `throughput.down.8`. */
  readonly id: string;
  readonly metrics: readonly Metric[];
  /** It says nothing where there is no tunnel. */
  readonly tunnelsOnly?: boolean;
  /** It starts a contender of its own, on a machine where no other of the same kind runs. */
  readonly fresh?: boolean;
  /** It is repeated only `slowRounds` times. */
  readonly slow?: boolean;
  /**
   * Measures once. Bounded in time.
   *
   * @returns A value for each metric's id; one that has none for this contender is left out. Parts of a value have its
   *   id, a slash and a name.
   * @throws {Error} If it does not work with this contender; the message is the reason in the report.
   */
  measure(subject: Subject): Promise<Record<string, number>>;
}

/** What a case measures. */
export interface Subject {
  readonly contender: Contender;
  /** It, running and warm; absent for a fresh case. */
  readonly running: Running;
  /** Where the services listen. */
  readonly services: Ports;
}

/** A question. */
export interface Figure {
  /** What the option FIGURES calls it. */
  readonly name: string;
  readonly title: string;
  /** What exactly is done, for the report. */
  readonly method: string;
  readonly cases: readonly Case[];
}

/** Makes a figure of so much. */
export type FigureOf = (scale: Scale) => Figure;

/** The process ids of a contender. */
export function pidsOf(running: Running): number[] {
  return running.programs.map(({ pid }) => pid);
}
