// Runs a range of inputs of one target, in this thread. It knows nothing of other threads and of reports.

import { bytesToHex } from "./hex.ts";
import { inputOf, type Target } from "./target.ts";

/** What came of a range of inputs. */
export interface Tally {
  readonly accepted: number;
  readonly refused: number;
}

/** An input that a target fails on. */
export class FuzzFailure extends Error {
  override name = "FuzzFailure";
  /** The input. */
  readonly input: Uint8Array;

  constructor(target: Target, where: string, input: Uint8Array, cause: unknown) {
    const what = cause instanceof Error ? cause.stack ?? cause.message : String(cause);
    super(`${target.name} fails on ${where}: ${bytesToHex(input)}\n${what}`);
    this.input = input;
  }
}

/**
 * Gives a target the inputs `from` up to but not including `to`.
 *
 * @param progress Is told the number of each input before it is read.
 * @throws {FuzzFailure} On the first input that shows a bug.
 */
export function runInputs(
  target: Target,
  seed: number,
  from: number,
  to: number,
  progress: (index: number) => void,
): Tally {
  const { stackTraceLimit } = Error;
  // To note the stack takes longer than most refusals do: it is noted only when there is something to tell.
  Error.stackTraceLimit = 0;
  try {
    let accepted = 0;
    for (let index = from; index < to; index++) {
      progress(index);
      if (runInput(target, inputOf(target, seed, index), `input ${index} of SEED=${seed}`)) accepted++;
    }
    return { accepted, refused: to - from - accepted };
  } finally {
    Error.stackTraceLimit = stackTraceLimit;
  }
}

/** Gives a target one input; `where` says where it is from. */
export function runInput(target: Target, input: Uint8Array, where: string): boolean {
  try {
    return target.accepts(input);
  } catch (first) {
    Error.stackTraceLimit = 20;
    throw new FuzzFailure(target, where, input, failureAgain(target, input) ?? first);
  }
}

function failureAgain(target: Target, input: Uint8Array): unknown {
  try {
    target.accepts(input);
    return null;
  } catch (error) {
    return error;
  }
}

/** The inputs that once showed a bug, by target: tests/fuzz/corpus/TARGET/WHAT. */
export function* corpusOf(target: Target): Generator<{ name: string; input: Uint8Array }> {
  const folder = new URL(`./corpus/${target.name}/`, import.meta.url);
  let names: string[];
  try {
    names = [...Deno.readDirSync(folder)].map(({ name }) => name).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw error;
  }
  for (const name of names) yield { name, input: Deno.readFileSync(new URL(name, folder)) };
}
