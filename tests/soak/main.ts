// The long haul: `make soak MINUTES=10`. It mixes load and faults of all kinds between the two programs, and ends by
// comparing what was counted on each side and what is held with what was held before. 1 if anything differs.

import { seedOfRun } from "../support/random.ts";
import { Haul } from "./haul.ts";
import { faultsOf, report } from "./verdict.ts";

const minutes = Number(Deno.env.get("MINUTES") ?? 10);
if (!(minutes > 0)) {
  console.error(`MINUTES is the time to run, such as 10 or 0.5, not "${Deno.env.get("MINUTES")}"`);
  Deno.exit(2);
}
const findings = await Haul.run(minutes * 60_000, seedOfRun(), console.log);
console.log(`\n${report(findings)}\n`);
const wrong = faultsOf(findings);
for (const line of wrong.slice(0, 50)) console.log(`WRONG: ${line}`);
if (wrong.length > 50) console.log(`… and ${wrong.length - 50} more`);
console.log(
  wrong.length === 0 ? "Clean: nothing lost, nothing left, nothing grown" : `${wrong.length} things are wrong`,
);
Deno.exit(wrong.length === 0 ? 0 : 1);
