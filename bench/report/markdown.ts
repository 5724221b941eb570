// The results as a page of Markdown. It knows how to show them, and measures nothing.

import type { FigureInfo, Results } from "../results.ts";
import { medianOf, samplesOf } from "../results.ts";
import { median, ratios } from "../statistics.ts";
import { type TargetRow, targetRows } from "../targets.ts";
import { written, writtenRange } from "./numbers.ts";

const BASELINE = "haproxy";
/** Of the parts of a value, such as the single system calls, so many are shown. */
const PARTS_SHOWN = 6;

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), line(head.map((_, i) => i === 0 ? "---" : "---:")), ...rows.map(line)].join("\n");
}

/** The table of targets. */
export function targetsTable(results: Results): string {
  const verdict = ({ met, value }: TargetRow) =>
    met === null ? (value === null ? "not measured" : "not tried in full") : met ? "met" : "**missed**";
  const rows = targetRows(results).map((row) => [
    row.what,
    row.asked,
    row.value === null ? "–" : `${written(row.value)} ${row.unit}`.trim(),
    writtenRange(row.spread),
    verdict(row),
  ]);
  return table(["figure", "target", "measured", "rounds from – to", ""], rows);
}

/** The names of the contenders that were measured. */
function measured(results: Results): string[] {
  return results.contenders.filter(({ missing }) => missing === null).map(({ name }) => name);
}

/** The medians of one figure, and in brackets their ratio to haproxy. */
export function figureTable(results: Results, { metrics }: FigureInfo): string {
  const names = measured(results);
  const cell = (metric: string, name: string) => {
    const value = medianOf(results, metric, name);
    if (value === null) return failed(results, metric, name) ? "failed" : "–";
    const ratio = median(ratios(samplesOf(results, metric, name), samplesOf(results, metric, BASELINE)));
    return name === BASELINE || ratio === null ? written(value) : `${written(value)} (${ratio.toFixed(2)})`;
  };
  const rows = metrics.map(({ id, title, unit }) => [
    unit === "" ? title : `${title}, ${unit}`,
    ...names.map((name) => cell(id, name)),
    String(Math.max(0, ...names.map((name) => samplesOf(results, id, name).filter((value) => value !== null).length))),
  ]);
  return table(["median", ...names, "rounds"], rows);
}

function failed(results: Results, metric: string, contender: string): boolean {
  return results.failures.some((failure) =>
    failure.contender === contender && (metric === failure.case || metric.startsWith(`${failure.case}.`))
  );
}

/** The largest parts of a value, such as the system calls per MiB by name. */
function partsTable(results: Results, { metrics }: FigureInfo): string[] {
  return metrics.flatMap(({ id, title }) => {
    const parts = Object.keys(results.samples).filter((key) => key.startsWith(`${id}/`));
    if (parts.length === 0) return [];
    const rows = measured(results).flatMap((name) => {
      const values = parts.map((part) => [part.slice(id.length + 1), medianOf(results, part, name) ?? 0] as const)
        .filter(([, value]) => value > 0).sort((a, b) => b[1] - a[1]).slice(0, PARTS_SHOWN);
      return values.length === 0 ? [] : [[name, values.map(([part, value]) => `${part} ${written(value)}`).join(", ")]];
    });
    return [table([title, "the most frequent"], rows)];
  });
}

/** The whole page; `charts` gives the names of the image files of a figure. */
export function markdown(results: Results, charts: ReadonlyMap<string, string>): string {
  const { environment, contenders, figures, failures } = results;
  const head = `# Benchmark results

Measured ${results.startedAt}, ${results.rounds} ${results.rounds === 1 ? "round" : "rounds"}, ${results.seconds} s` +
    `${
      results.quick ? ", QUICK: short and few runs, an indication only" : ""
    }. Numbers are medians of the rounds; in ` +
    "brackets the median of each round's ratio to two haproxy in a row. How it is measured: [performance.md]" +
    `(${results.quick ? "../../../docs/performance.md" : "../../docs/performance.md"}).`;
  const sections = figures.map((figure) =>
    [
      `## ${figure.title}`,
      `${figure.method}.`,
      ...charts.has(figure.name) ? [`![${figure.title}](${charts.get(figure.name)})`] : [],
      figureTable(results, figure),
      ...partsTable(results, figure),
    ].join("\n\n")
  );
  const failureRows = failures.map((f) => [f.contender, f.case, String(f.round), f.reason.split("\n")[0]]);
  return [
    head,
    "## Targets",
    targetsTable(results),
    ...sections,
    "## Failures",
    failures.length === 0 ? "None." : table(["contender", "measurement", "round", "reason"], failureRows),
    "## Contenders",
    table(
      ["contender", "version", "setup"],
      contenders.map((c) => [c.name, c.version ?? `missing: ${c.missing}`, c.setup]),
    ),
    "## Machine",
    table(["what", "is"], Object.entries(environment)),
  ].join("\n\n") + "\n";
}
