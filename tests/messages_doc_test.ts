// docs/messages.md against the sources: its tables have every message of the default level, and no other.

import { assert, assertEquals } from "./support/assert.ts";

const ROOT = new URL("../", import.meta.url);
const LITERAL = String.raw`("[^"\n]*"|\`[^\`]*\`)`;
/** Calls that write a line: a level that is not debug, or none, and the message. */
const CALL = new RegExp(
  String.raw`\b(?:log|note|logClosed)\(\s*(?:[\w.]+,\s*)?(?:"(?:info|warning|error)",\s*)?${LITERAL}`,
  "g",
);
/** Others that are given a message. */
const MADE = new RegExp(String.raw`(?:noteRefusal\([^,]+,[^,]+,|new StartError\(|\bmessage:)\s*${LITERAL}`, "g");

function* sources(folder: URL): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(folder)) {
    if (isDirectory) yield* sources(new URL(`${name}/`, folder));
    else yield Deno.readTextFileSync(new URL(name, folder));
  }
}

/** A literal's text, with an ellipsis for what is only known when it is written. */
function textOf(literal: string): string {
  return literal.slice(1, -1).replace(/\$\{[^}]*\}/g, "\u2026");
}

/** Whether two texts can be the same, with an ellipsis in either for anything. */
function fits(row: string, message: string): boolean {
  const pattern = (text: string) =>
    text.split("\u2026").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
  return new RegExp(`^${pattern(row)}$`).test(message) || new RegExp(`^${pattern(message)}$`).test(row);
}

const text = [...sources(new URL("core/", ROOT))].join("\n");
const page = Deno.readTextFileSync(new URL("docs/messages.md", ROOT));
/** What stands in backticks in the first column of the tables. */
const rows = [...page.matchAll(/^\| (`[^|]*`) \|/gm)].flatMap(([, cell]) =>
  [...cell.matchAll(/`([^`]+)`/g)].map(([, row]) => row)
);

Deno.test("every message of the default level is in docs/messages.md", () => {
  const messages = [...text.matchAll(CALL), ...text.matchAll(MADE)].map(([, literal]) => textOf(literal))
    .filter((message) => /^[A-Z\u2026]/.test(message) && message.length > 8);
  assert(messages.length > 30, `Only ${messages.length} messages were found`);
  assertEquals(messages.filter((message) => !rows.some((row) => fits(row, message))), []);
});

Deno.test("every message in docs/messages.md is in the sources", () => {
  const literals = [...text.matchAll(new RegExp(LITERAL, "g"))].map(([, literal]) => textOf(literal))
    .filter((literal) => literal.replaceAll("\u2026", "").length > 6);
  assertEquals(rows.filter((row) => !literals.some((literal) => fits(row, literal))), []);
});
