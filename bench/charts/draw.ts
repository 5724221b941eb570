// Draws the charts of a results.json into its folder, whose path is the argument, and writes the name of each figure that
// has one. A project of its own, see deno.json here: only this needs a chart library.

import type { Results } from "../results.ts";
import { figureChart } from "./figure_chart.ts";

const folder = new URL(`file://${Deno.args[0]}`);
const results = JSON.parse(Deno.readTextFileSync(new URL("results.json", folder))) as Results;
for (const figure of results.figures) {
  const svg = figureChart(results, figure);
  if (svg === null) continue;
  Deno.writeTextFileSync(new URL(`${figure.name}.svg`, folder), svg);
  console.log(figure.name);
}
// The library keeps timers.
Deno.exit(0);
