// Text that others chose, made fit to be shown: what one does not see, and what changes how other text looks, is escaped. Every
// line that a program writes goes through here.

/** Marks that a letter may bear: more of them would reach into the lines above. */
const MOST_MARKS = 3;

/**
 * A letter or digit with its marks, which is left as it is; or else a character that is escaped: controls, formats (zero
 * width, direction of text, tags), lone surrogates, private and unassigned ones, whatever else is invisible, separators but
 * for the plain space, and marks that stand on nothing or on too many others.
 */
const UNPRINTABLE = new RegExp(
  `((?!\\p{DI})[\\p{L}\\p{N}](?:(?!\\p{DI})\\p{M}){1,${MOST_MARKS}})|[\\p{C}\\p{DI}\\p{M}]|(?! )\\p{Z}`,
  "gu",
);

/** Characters that all programs show alike. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Escapes what is not to be shown, as in JSON: `\n`, `\u200b`, and two escapes for what is beyond U+FFFF. A text that is JSON
 * already stays the same JSON.
 */
export function printable(text: string): string {
  if (PLAIN.test(text)) return text;
  return text.replace(UNPRINTABLE, (found, letter?: string) => letter ?? (found === "\n" ? "\\n" : escape(found)));
}

/** Cuts a text after so many UTF-16 code units, not within a character, and says so by an ellipsis. */
export function shortened(text: string, longest: number): string {
  return text.length <= longest ? text : `${text.slice(0, longest).replace(/[\ud800-\udbff]$/, "")}\u2026`;
}

function escape(character: string): string {
  let escaped = "";
  for (let i = 0; i < character.length; i++) escaped += `\\u${character.charCodeAt(i).toString(16).padStart(4, "0")}`;
  return escaped;
}
