// The assertions of the standard library under their declared types, because the npm package ships none.
// It knows nothing of what is being tested.

import { assert as untypedAssert } from "@std/assert/assert";
import { assertEquals as untypedAssertEquals } from "@std/assert/equals";
import { assertMatch as untypedAssertMatch } from "@std/assert/match";
import { assertNotEquals as untypedAssertNotEquals } from "@std/assert/not-equals";
import { assertRejects as untypedAssertRejects } from "@std/assert/rejects";
import { assertStringIncludes as untypedAssertStringIncludes } from "@std/assert/string-includes";
import { assertThrows as untypedAssertThrows } from "@std/assert/throws";

/** A class of errors, as `assertThrows` takes it. */
// deno-lint-ignore no-explicit-any -- an error class may take any arguments
export type ErrorClass<E extends Error> = abstract new (...args: any[]) => E;

/** Fails unless `condition` is truthy, and narrows its type. */
export const assert: (condition: unknown, message?: string) => asserts condition = untypedAssert;

/** Fails unless both values are deeply equal; the message shows the difference. */
export const assertEquals: <T>(actual: T, expected: T, message?: string) => void = untypedAssertEquals;

/** Fails if both values are deeply equal. */
export const assertNotEquals: <T>(actual: T, expected: T, message?: string) => void = untypedAssertNotEquals;

/** Fails unless `actual` contains `expected`. */
export const assertStringIncludes: (actual: string, expected: string, message?: string) => void =
  untypedAssertStringIncludes;

/** Fails unless `actual` matches `expected`. */
export const assertMatch: (actual: string, expected: RegExp, message?: string) => void = untypedAssertMatch;

/** Fails unless `body` throws an `errorClass` whose message contains `messageIncludes`; gives that error. */
export const assertThrows: <E extends Error = Error>(
  body: () => unknown,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
) => E = untypedAssertThrows;

/** Fails unless the promise of `body` rejects with an `errorClass` whose message contains `messageIncludes`. */
export const assertRejects: <E extends Error = Error>(
  body: () => Promise<unknown>,
  errorClass?: ErrorClass<E>,
  messageIncludes?: string,
) => Promise<E> = untypedAssertRejects;
