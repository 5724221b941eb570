// Finds the line of a YAML text that a key stands on, because the parser does not keep it. It is a search in the text,
// right for the way configuration files are written, and it knows nothing of what the keys mean.

/** The way to a value: keys of mappings, and indices of lists counted from 0. */
export type YamlPath = readonly (string | number)[];

/** A part of the file: the lines of one value. `start` is the first, counted from 0, `end` the one after the last. */
type Block = { start: number; end: number };

/** The line, counted from 1, that `path` is on; where it cannot be told, that of the nearest value around it. */
export function lineOfYamlPath(text: string, path: YamlPath): number {
  const lines = text.split(/\r\n|\r|\n/);
  let block: Block = { start: 0, end: lines.length };
  for (const step of path) {
    const found = typeof step === "number" ? blockOfItem(lines, block, step) : blockOfKey(lines, block, step);
    if (found === undefined) break;
    block = found;
  }
  return block.start + 1;
}

/**
 * A key at the start of a line, also behind the hyphens of a list, where the key's column is the one after them. The key
 * ends with no space of its own: else it could share a run of them with what follows in as many ways as it is long.
 */
const KEY_LINE = /^(?<before>\s*(?:-\s+)*)(?<quote>["']?)(?<key>[^\s"'#-](?:[^"':]*[^\s"':])?)\k<quote>\s*:(?:\s|$)/;

function blockOfKey(lines: readonly string[], within: Block, key: string): Block | undefined {
  let start = -1;
  let column = Infinity;
  for (let i = within.start; i < within.end; i++) {
    const match = KEY_LINE.exec(lines[i]!);
    if (match?.groups?.key !== key) continue;
    if (match.groups.before!.length < column) {
      start = i;
      column = match.groups.before!.length;
    }
  }
  if (start === -1) return undefined;
  let end = start + 1;
  // A list may stand at the column of its key.
  while (end < within.end && (isBlank(lines[end]!) || isInside(lines[end]!, column))) end++;
  return { start, end };
}

function isInside(line: string, column: number): boolean {
  const indent = indentOf(line);
  return indent > column || (indent === column && /^\s*-(?:\s|$)/.test(line));
}

function blockOfItem(lines: readonly string[], within: Block, index: number): Block | undefined {
  const hyphens: number[] = [];
  let column = Infinity;
  for (let i = within.start; i < within.end; i++) {
    if (!/^\s*-(?:\s|$)/.test(lines[i]!)) continue;
    const indent = indentOf(lines[i]!);
    if (indent < column) {
      column = indent;
      hyphens.length = 0;
    }
    if (indent === column) hyphens.push(i);
  }
  const start = hyphens[index];
  return start === undefined ? undefined : { start, end: hyphens[index + 1] ?? within.end };
}

function indentOf(line: string): number {
  return line.length - line.trimStart().length;
}

function isBlank(line: string): boolean {
  return /^\s*(?:#|$)/.test(line);
}
