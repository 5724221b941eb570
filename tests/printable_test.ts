// What is escaped wherever a program shows text of others: in messages, names, reasons and addresses, and in its errors.

import { quote } from "../core/config/config_error.ts";
import { formatJson, formatText } from "../core/logging/log_line.ts";
import { printable, shortened } from "../core/logging/printable.ts";
import { assert, assertEquals } from "./support/assert.ts";

/** All characters that a regular expression matches. */
function charactersOf(pattern: RegExp): string[] {
  const found: string[] = [];
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    if (pattern.test(character)) found.push(character);
  }
  return found;
}

/** What a program writes of a text, in all places where it shows some. */
function shownIn(text: string): string[] {
  const line = {
    timeMs: 0,
    level: "info",
    message: text,
    fields: { name: text, reason: text, address: text },
  } as const;
  return [formatText(line), formatJson(line, "p"), quote(text)];
}

/** What a program writes of characters, twenty at a time: names are shortened when they are shown. */
function shownOf(characters: readonly string[]): string {
  const shown: string[] = [];
  for (let i = 0; i < characters.length; i += 20) shown.push(...shownIn(`a${characters.slice(i, i + 20).join(" a")}`));
  return shown.join("");
}

const KINDS: readonly [what: string, pattern: RegExp][] = [
  ["controls (C0 and C1)", /\p{Cc}/u],
  ["formats: direction of text, zero width, tags", /\p{Cf}/u],
  ["separators of lines, and blanks that are no plain space", /[\p{Zl}\p{Zp}]|(?! )\p{Zs}/u],
  ["lone surrogates and private ones", /\p{Cs}/u],
  ["whatever else is invisible", /\p{Default_Ignorable_Code_Point}/u],
];

for (const [what, pattern] of KINDS) {
  Deno.test(`nothing that a program writes has in it: ${what}`, () => {
    const characters = charactersOf(pattern);
    assert(characters.length > 5);
    assert(!pattern.test(shownOf(characters)));
  });
}

Deno.test("marks are shown on letters, three at most, and on nothing else", () => {
  for (const mark of charactersOf(/\p{M}/u)) {
    const shown = shownIn(`${mark}e${mark.repeat(30)} "${mark}7${mark}`).join("");
    for (const run of shown.match(/.?\p{M}+/gu) ?? []) assert(/^[e7]\p{M}{1,3}$/u.test(run), `${JSON.stringify(run)}`);
  }
  const kept = ["Ti\u1ebfng Vi\u1ec7t", "Tie\u0302\u0301ng Vie\u0323\u0302t", "\u0939\u093f\u0928\u094d\u0926\u0940"];
  for (const text of [...kept, "\u05e2\u05b4\u05d1\u05b0\u05e8\u05b4\u05d9\u05ea", "\u65e5\u672c \ud83d\ude00"]) {
    assertEquals(printable(text), text);
  }
});

Deno.test("what is escaped can be read back, in JSON", () => {
  const text = "\u202e\ufeff\u{e0041}\u0301\ud800 \u061c\u200b\n\u2028";
  assertEquals(printable(text), "\\u202e\\ufeff\\udb40\\udc41\\u0301\\ud800 \\u061c\\u200b\\n\\u2028");
  const line = { timeMs: 0, level: "info", message: text, fields: { name: text } } as const;
  const { message, name } = JSON.parse(formatJson(line, "p"));
  assertEquals([message, name], [text, text]);
});

Deno.test("people see the beginning of a long name, and of one that is all escapes", () => {
  const line = { timeMs: 0, level: "info", message: "m" } as const;
  const shown = (name: string) => formatText({ ...line, fields: { name } }).slice(33);
  assertEquals(shown("a".repeat(48)), `name=${"a".repeat(48)}`);
  assertEquals(shown("a".repeat(49)), `name="${"a".repeat(48)}\u2026"`);
  assertEquals(shown("\u{e0041}".repeat(64)), `name="${"\\udb40\\udc41".repeat(24)}\u2026"`);
  assertEquals(shortened("\u{1f600}".repeat(3), 5), "\u{1f600}\u{1f600}\u2026");
});
