// A short run of the fuzzer, so that it does not rot; `make fuzz` is the long one.

import { corpusOf, FuzzFailure, runInput, runInputs } from "./fuzz/run.ts";
import { inputOf, type Target } from "./fuzz/target.ts";
import { inputsOf, TARGETS } from "./fuzz/targets.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { seedOfRun } from "./support/random.ts";

const INPUTS = 8000;

Deno.test("whatever comes in, it is read or refused, and nothing else happens", () => {
  const seed = seedOfRun();
  for (const target of TARGETS) {
    const { accepted, refused } = runInputs(target, seed, 0, inputsOf(target, INPUTS), () => {});
    // a target that takes everything or nothing sees only one half of what it is for
    assert(accepted > 0 || refused < 50, `${target.name} accepts nothing`);
    assert(refused > 0 || target.name === "log_lines", `${target.name} refuses nothing`);
  }
});

Deno.test("what once failed does not fail again", () => {
  let inputs = 0;
  for (const target of TARGETS) {
    for (const { name, input } of corpusOf(target)) {
      runInput(target, input, name);
      inputs++;
    }
  }
  assert(inputs > 0);
});

Deno.test("an input that shows a bug is told with its number, and the seed and number give the same input again", () => {
  const naive: Target = {
    name: "naive",
    share: 1,
    longest: 16,
    valid: () => Uint8Array.of(1, 2, 3, 4),
    accepts(input) {
      if (input.length < 4) throw new TypeError("Too short");
      return true;
    },
  };
  const { message, input } = assertThrows(() => runInputs(naive, 7, 0, 1000, () => {}), FuzzFailure, "Too short");
  const index = Number(/input (\d+) of SEED=7/.exec(message)?.[1]);
  assertEquals(inputOf(naive, 7, index), input);
});
