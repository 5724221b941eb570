// The one error for a peer that breaks the protocol. It knows no message and no connection.

const LONGEST_MESSAGE = 200;

/**
 * Text as one printable line: control characters, line separators and lone surrogates become spaces, and it ends after
 * `longest` UTF-16 code units, without cutting a surrogate pair. For text that a peer chose.
 */
export function oneLine(text: string, longest: number): string {
  // The cut comes before the replacement, which then also removes half of a pair at its end.
  return text.slice(0, longest).replace(/[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/gu, " ");
}

/**
 * The peer sent what no correct peer sends. The only answer is to close the connection; its message is one line of at
 * most 200 UTF-16 code units, whatever the peer put in.
 */
export class ProtocolError extends Error {
  /** The name that stack traces and logs show. */
  override name = "ProtocolError";

  /** Takes any text; it is made one line. */
  constructor(message: string) {
    super(oneLine(message, LONGEST_MESSAGE));
  }
}
