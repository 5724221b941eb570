// The long haul, as short as it can be: two rounds with faults, and a client that is killed in between. `make soak` is the
// same for minutes.

import { assertEquals } from "../support/assert.ts";
import { seedOfRun } from "../support/random.ts";
import { Haul } from "../soak/haul.ts";
import { faultsOf, report } from "../soak/verdict.ts";

Deno.test("after a few seconds of everything at once, nothing is lost, left or grown", async () => {
  const findings = await Haul.run(15_000, seedOfRun(), console.log);
  assertEquals(faultsOf(findings), [], report(findings));
});
