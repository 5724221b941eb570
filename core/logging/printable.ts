// Makes text that a stranger chose fit to be shown: it escapes all characters that one cannot see, and all that change
// the look of other text. Every line that a program writes goes through here.

/** Most marks on one letter; a higher stack would reach into the lines above. */
const MOST_MARKS = 3;

/**
 * Either a letter or digit with its marks, which stays as it is, or one character to escape: a control, a format (zero
 * width, direction of text, tag), a lone surrogate, a private or unassigned character, any other invisible one, a
 * separator except the plain space, or a mark without a letter or above too many others.
 */
const UNPRINTABLE = new RegExp(
  `((?!\\p{DI})[\\p{L}\\p{N}](?:(?!\\p{DI})\\p{M}){1,${MOST_MARKS}})|[\\p{C}\\p{DI}\\p{M}]|(?! )\\p{Z}`,
  "gu",
);

/** Characters that all programs show alike. */
const PLAIN = /^[\x20-\x7e]*$/;

/**
 * Writes such characters as JSON does: `\n`, `\u200b`, and two escapes for a character beyond U+FFFF. JSON text keeps its
 * meaning.
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
