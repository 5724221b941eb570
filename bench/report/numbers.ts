// How numbers are written in the report.

/** A number with three significant digits, thousands separated; a dash for none. */
export function written(value: number | null): string {
  if (value === null) return "–";
  if (value !== 0 && Math.abs(value) < 100) return value.toPrecision(3);
  return Math.round(value).toLocaleString("en");
}

/** A range; empty when both ends are written alike. */
export function writtenRange(range: readonly [number, number] | null): string {
  if (range === null) return "";
  const [least, most] = range.map(written);
  return least === most ? "" : `${least} – ${most}`;
}
