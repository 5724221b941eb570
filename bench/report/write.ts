// Writes the results: JSON, a page of Markdown, and its charts. It measures nothing.

import type { Results } from "../results.ts";
import { markdown } from "./markdown.ts";

const DRAW = new URL("../charts/draw.ts", import.meta.url).pathname;
const DRAW_LIMIT_MS = 60_000;

/** Writes everything into `folder`, which is made where it is missing. */
export async function writeResults(results: Results, folder: URL): Promise<void> {
  Deno.mkdirSync(folder, { recursive: true });
  for (const { name } of Deno.readDirSync(folder)) {
    if (name.endsWith(".svg")) Deno.removeSync(new URL(name, folder)); // of an earlier run, with other figures perhaps
  }
  Deno.writeTextFileSync(new URL("results.json", folder), JSON.stringify(results, null, 1) + "\n");
  const charts = await drawCharts(folder);
  Deno.writeTextFileSync(new URL("README.md", folder), markdown(results, charts));
}

/**
 * Has the charts drawn by a program of its own: it has dependencies that the project must not have, or they would end up
 * in its executables. Without it, as where no package can be fetched, the page has no charts.
 *
 * @returns The name of each figure's image file.
 */
async function drawCharts(folder: URL): Promise<Map<string, string>> {
  const args = ["run", "--allow-all", "--quiet", DRAW, folder.pathname];
  const command = new Deno.Command(Deno.execPath(), { args, signal: AbortSignal.timeout(DRAW_LIMIT_MS) });
  const { success, stdout, stderr } = await command.output();
  if (!success) console.error(`There are no charts: ${new TextDecoder().decode(stderr)}`);
  const names = new TextDecoder().decode(stdout).split("\n").filter((name) => name !== "");
  return new Map(names.map((name) => [name, `${name}.svg`]));
}
