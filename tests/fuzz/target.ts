// What can be fuzzed, and the inputs for it: any of them is made again from a seed, the name of its target and its number.
// It knows nothing of what reads them.

import { type Random, randomFrom } from "../support/random.ts";
import { mutated, randomBytes } from "./mutation.ts";

/** Something that reads bytes which somebody else chose. */
export interface Target {
  /** Names it on the command line, in the report and in corpus/. */
  readonly name: string;
  /** Its part of all inputs, against the shares of the others. */
  readonly share: number;
  /** The longest input that is made for it, in bytes. */
  readonly longest: number;
  /** What its inputs are made of, for mutations. */
  readonly words?: readonly Uint8Array[];
  /** An input that is right, or nearly. */
  valid(random: Random): Uint8Array;
  /**
   * Reads an input.
   *
   * @returns Whether it was accepted; false is a refusal of the kind that the reader documents.
   * @throws {unknown} Anything that is a bug.
   */
  accepts(input: Uint8Array): boolean;
}

/** The input `index` of a run. */
export function inputOf(target: Target, seed: number, index: number): Uint8Array {
  const random = randomFrom(mixed(mixed(seed, hashOf(target.name)), index));
  const way = random.between(0, 15);
  if (way === 0) return randomBytes(random, Math.min(target.longest, random.chance(0.01) ? 70_000 : 64));
  const valid = target.valid(random);
  return way <= 3 ? valid : mutated(random, valid, target);
}

/** A number that looks unrelated for every pair of numbers (the end of MurmurHash3). */
function mixed(a: number, b: number): number {
  let h = Math.imul(a, 0x85ebca6b) ^ b;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hashOf(name: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) hash = Math.imul(hash ^ name.charCodeAt(i), 0x01000193);
  return hash;
}

/** Random numbers that are always the same for the same input. */
export function randomOf(input: Uint8Array): Random {
  let hash = input.length;
  for (let i = 0; i < input.length && i < 64; i++) hash = Math.imul(hash ^ input[i], 0x01000193);
  return randomFrom(hash);
}

/** Fails: what the target did is a bug. */
export function bug(what: string): never {
  throw new Error(what);
}

/** Fails when something has got into the prototype of all objects. */
export function expectCleanPrototypes(): void {
  for (const key in {}) bug(`Object.prototype has got "${key}"`);
}

/** Fails if a line that a program writes has in it what one does not see, or more marks than a letter may bear. */
export function expectPrintable(line: string): void {
  if (/[\p{C}\p{Zl}\p{Zp}]|\p{M}{4}/u.test(line)) bug(`A line with what one does not see: ${JSON.stringify(line)}`);
}

/** Fails unless a message for people is one line of moderate length. */
export function expectOneLine(message: string, longest: number): void {
  if (message.length > longest) bug(`A message of ${message.length} characters: ${message.slice(0, 200)}`);
  // deno-lint-ignore no-control-regex -- they are what is looked for
  if (/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/.test(message)) bug(`A message with control characters: ${message}`);
}
