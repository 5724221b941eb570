// Plain tables for a terminal.

/** A table with a head: the first column to the left, the others to the right. */
export function table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): string {
  const text = [head, ...rows].map((row) => row.map((cell) => typeof cell === "number" ? grouped(cell) : cell));
  const widths = head.map((_, i) => Math.max(...text.map((row) => row[i].length)));
  return text.map((row) =>
    "  " + row.map((cell, i) => i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])).join("  ")
  )
    .join("\n");
}

function grouped(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ",");
}
