// docs/protocol.md as data: its tables and its examples. It knows how the page is written, and nothing of the codec.

/** The page. */
export const MARKDOWN = Deno.readTextFileSync(new URL("../../docs/protocol.md", import.meta.url));

/** The fields of a message; bytes among them are hex. */
export type Fields = Record<string, unknown>;

/** A fenced block `frame`: the fields of a message, a line `--`, and its bytes as hex. */
export interface Example {
  name: string;
  fields: Fields;
  bytes: Uint8Array;
}

/** A row of an offset table. */
export interface OffsetRow {
  offset: number;
  /** Bytes. */
  size: number;
  field: string;
  /** The only value that it may have; undefined if there is a choice. */
  fixed: bigint | undefined;
  min: bigint;
  max: bigint;
  /** Writes the value into a frame. */
  put(frame: Uint8Array, value: bigint): void;
  /** The value as the field of a message. */
  value(value: bigint): number | string;
}

/** A row of a table of JSON fields. */
export interface JsonRow {
  field: string;
  /** What the page says about its values. */
  text: string;
  /** Whether the field may be left out. */
  isOptional: boolean;
  good: unknown[];
  bad: unknown[];
}

/** Bytes as lower-case hex. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (b) => b.toString(16).padStart(2, "0")).join("");
}

/** Hex as bytes; white space does not count. */
export function fromHex(hex: string): Uint8Array {
  const digits = hex.replaceAll(/\s/g, "");
  if (!/^([0-9a-f]{2})*$/.test(digits)) throw new Error(`Not hex: "${hex}"`);
  return Uint8Array.from({ length: digits.length / 2 }, (_, i) => parseInt(digits.slice(2 * i, 2 * i + 2), 16));
}

interface Table {
  /** The heading of its section. */
  title: string;
  head: string;
  rows: string[][];
}

function parseTables(markdown: string): Table[] {
  const tables: Table[] = [];
  let title = "";
  let table: Table | undefined;
  for (const line of markdown.split("\n")) {
    const heading = /^#+ (.*)$/.exec(line);
    if (heading !== null) title = heading[1];
    if (!line.startsWith("| ")) {
      table = undefined;
      continue;
    }
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    if (table === undefined) tables.push(table = { title, head: cells.join(), rows: [] });
    else if (cells[0] !== "---") table.rows.push(cells);
  }
  return tables;
}

/** The tables of constants. */
export function parseConstants(markdown: string): Record<string, number> {
  const tables = parseTables(markdown).filter((table) => table.head.startsWith("constant,"));
  return Object.fromEntries(tables.flatMap((table) => table.rows.map(([name, value]) => [name, Number(value)])));
}

/** The table of types. */
export function parseTypes(markdown: string): { code: number; name: string; connection: string; body: string }[] {
  const rows = parseTables(markdown).find((table) => table.head === "type,message,connection,direction,body")?.rows ??
    [];
  return rows.map(([code, name, connection, _direction, body]) => ({ code: Number(code), name, connection, body }));
}

/** The offset tables of all frames of fixed size. */
export function parseOffsetTables(markdown: string): { name: string; rows: OffsetRow[] }[] {
  return parseTables(markdown)
    .filter((table) => table.head === "offset,kind,field,value" && !table.title.startsWith("1."))
    .map((table) => ({ name: table.title, rows: table.rows.map(parseOffsetRow) }));
}

function parseOffsetRow([offset, kind, field, text]: string[]): OffsetRow {
  const integer = /^u(\d+)$/.exec(kind);
  const array = /^(\d+) bytes$/.exec(kind);
  if (integer === null && array === null) throw new Error(`Unknown kind "${kind}" of "${field}"`);
  const size = integer !== null ? Number(integer[1]) / 8 : Number(array?.[1]);
  const range = /^(\d+)\.\.(\d+)$/.exec(text);
  const fixed = /^(0x[0-9a-f]+|\d+)( \(.*\))?$/.exec(text);
  if (integer !== null && range === null && fixed === null) throw new Error(`Unknown value "${text}" of "${field}"`);
  const at = Number(offset);
  return {
    offset: at,
    size,
    field,
    fixed: fixed === null ? undefined : BigInt(fixed[1]),
    min: range === null ? 0n : BigInt(range[1]),
    max: range === null ? (1n << BigInt(8 * size)) - 1n : BigInt(range[2]),
    put(frame, value) {
      for (let i = size - 1, rest = value; i >= 0; i--, rest >>= 8n) frame[at + i] = Number(rest & 0xffn);
    },
    value: (value) => integer !== null ? Number(value) : value.toString(16).padStart(2 * size, "0"),
  };
}

const OPTIONAL = ", optional";

/** The tables of JSON fields, one for each form of a message. */
export function parseJsonTables(markdown: string): { name: string; title: string; rows: JsonRow[] }[] {
  return parseTables(markdown)
    .filter((table) => table.head === "field,value,meaning")
    .map(({ title, rows }) => ({
      name: title.split(/[ ,]/)[0],
      title,
      rows: rows.map(([field, text]) => ({
        field,
        text,
        isOptional: text.endsWith(OPTIONAL),
        ...parseJsonValue(text.replace(OPTIONAL, "")),
      })),
    }));
}

/** Values on and just beyond the limits that `text` sets. */
function parseJsonValue(text: string): { good: unknown[]; bad: unknown[] } {
  const whole = /^whole (\d+)\.\.(\d+)$/.exec(text);
  if (whole !== null) {
    const [min, max] = [Number(whole[1]), Number(whole[2])];
    return { good: [min, max], bad: [min - 1, max + 1, min + 0.5, String(min), null] };
  }
  const length = /^text (\d+)\.\.(\d+)$/.exec(text);
  if (length !== null) {
    const [min, max] = [Number(length[1]), Number(length[2])];
    const bad = ["x".repeat(max + 1), "a\nb", "a\u0085b", "a\u2028b", "\ud800", 7, null];
    return { good: ["ä".repeat(max), "x".repeat(min)], bad: min > 0 ? [...bad, "x".repeat(min - 1)] : bad };
  }
  const list = /^ranges 0\.\.(\d+)$/.exec(text);
  if (list !== null) {
    const most = Number(list[1]);
    const good = ["0.0.0.0/0", "192.0.2.0/24", "255.255.255.255/32", "::/0", "2001:db8::/33", "::ffff:192.0.2.0/120"];
    return {
      good: [[], good, Array(most).fill("10.0.0.0/8")],
      // whether a range is one, the server looks when nothing else refuses the tunnel
      bad: [["1".repeat(50)], Array(most + 1).fill("10.0.0.0/8"), [7], [null], "10.0.0.0/8", null],
    };
  }
  if (text === "reason") return { good: ["no such port", "", "ä".repeat(200)], bad: [7, null] };
  const choices = text.split(" or ").map((choice) => {
    const hex = /^hex (\d+)$/.exec(choice);
    if (hex === null) return { good: [JSON.parse(choice)], bad: ["other", 7, null] };
    const digits = 2 * Number(hex[1]);
    const lengths = [digits - 1, digits + 1, digits - 2, digits + 2];
    return {
      good: ["a1".repeat(digits / 2)],
      bad: [...lengths.map((n) => "a".repeat(n)), "A".repeat(digits), 7, null],
    };
  });
  const good = choices.flatMap((c) => c.good);
  return { good, bad: [...choices.flatMap((c) => c.bad), ...good.includes("") ? [] : [""]] };
}

/** The examples, in their order on the page. */
export function parseExamples(markdown: string): Example[] {
  return [...markdown.matchAll(/^```frame (\w+)\n([^`]*?)\n--\n([^`]*?)\n```$/gm)].map(([, name, fields, hex]) => ({
    name,
    fields: JSON.parse(fields),
    bytes: fromHex(hex),
  }));
}
