// Log lines with text that a stranger chose: none may become two lines, steer a terminal, or lose a field.

import { formatJson, formatText } from "../../../core/logging/log_line.ts";
import { textOf } from "../messages.ts";
import { bug, expectOneLine, expectPrintable, type Target } from "../target.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();
const WORDS = [
  "\n",
  "\r",
  "\u200b",
  "\u061c",
  "\ufeff",
  "\u{e0041}",
  "e\u0301\u0301\u0301\u0301",
  "\u001b[2J",
  " key=value",
  '"',
  "\\",
  "\u2028",
  "\u202e",
  "\u0000",
  "\u0085",
];

/** formatText and formatJson. */
export const logLines: Target = {
  name: "log_lines",
  share: 2,
  longest: 70_000,
  words: WORDS.map((word) => encoder.encode(word)),
  valid: (random) => encoder.encode(textOf(random, 0, 60)),
  accepts(input) {
    const reason = decoder.decode(input);
    const line = { timeMs: 0, level: "info", message: "Login has failed", fields: { reason, address: "::1" } } as const;
    const text = formatText(line);
    expectOneLine(text, 6 * reason.length + 100);
    expectPrintable(text);
    if (!text.endsWith(" address=::1")) bug(`A field got lost: ${text}`);
    const json = formatJson(line, "fuzz");
    expectOneLine(json, 6 * reason.length + 200);
    expectPrintable(json);
    if (JSON.parse(json).reason !== reason) bug(`Another text came out: ${json}`);
    return true;
  },
};
