// The figures as bar charts in SVG, drawn by echarts without a browser. It measures nothing.

import * as echarts from "echarts";
import type { Metric } from "../figures/figure.ts";
import type { FigureInfo, Results } from "../results.ts";
import { medianOf } from "../results.ts";

const WIDTH = 900;
const PLOT_HEIGHT = 260;
const HEAD_HEIGHT = 80;

/** Metrics of one unit share a plot; those with another get one below. */
function byUnit(metrics: readonly Metric[]): Metric[][] {
  const groups = new Map<string, Metric[]>();
  for (const metric of metrics) groups.set(metric.unit, [...groups.get(metric.unit) ?? [], metric]);
  return [...groups.values()];
}

/** A chart of the medians of a figure, one bar for each contender; null when nothing was measured. */
export function figureChart(results: Results, figure: FigureInfo): string | null {
  const names = results.contenders.map(({ name }) => name)
    .filter((name) => figure.metrics.some(({ id }) => medianOf(results, id, name) !== null));
  if (names.length === 0) return null;
  // A contender has the same colour in every chart.
  const order = results.contenders.map(({ name }) => name);
  const plots = byUnit(figure.metrics);
  const height = HEAD_HEIGHT + plots.length * PLOT_HEIGHT;
  const chart = echarts.init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  chart.setOption({
    animation: false,
    backgroundColor: "#fff",
    title: { text: figure.title, left: "center", top: 4, textStyle: { fontSize: 15 } },
    legend: { top: 34, itemGap: 22, data: names },
    grid: plots.map((_, i) => ({
      left: 70,
      right: 20,
      top: HEAD_HEIGHT + i * PLOT_HEIGHT + 20,
      height: PLOT_HEIGHT - 90,
    })),
    xAxis: plots.map((metrics, i) => ({
      gridIndex: i,
      type: "category",
      data: metrics.map(({ title }) => title),
      axisLabel: { interval: 0, width: 780 / metrics.length - 10, overflow: "break", fontSize: 10 },
    })),
    yAxis: plots.map(([{ unit, better }], i) => ({
      gridIndex: i,
      // From idle to busy, times differ by a factor of a thousand.
      type: unit === "µs" ? "log" : "value",
      name: `${unit} (${better} is better)`,
      nameTextStyle: { align: "left" },
    })),
    series: plots.flatMap((metrics, i) =>
      names.map((name) => ({
        name,
        type: "bar",
        xAxisIndex: i,
        yAxisIndex: i,
        itemStyle: { color: COLORS[order.indexOf(name) % COLORS.length] },
        data: metrics.map(({ id }) => medianOf(results, id, name)),
      }))
    ),
  });
  const svg = chart.renderToSVGString();
  chart.dispose();
  return svg;
}

const COLORS = ["#9aa0a6", "#5470c6", "#d9480f", "#91cc75", "#fac858", "#73c0de", "#9a60b4", "#3ba272"];
