// Tickets: the 16 random bytes that let one TCP connection become one ProxyConn. In shared memory a ticket is four i32
// words, the same bytes in big-endian order. It must never know who asked for the connection.

/** Size of a ticket in bytes. */
export const TICKET_BYTES = 16;

/** Size of a ticket in i32 words. */
export const TICKET_WORDS = 4;

/** A new ticket from the system's random source: TICKET_BYTES bytes. Any thread. */
export function newTicket(): Uint8Array {
  return crypto.getRandomValues(new Uint8Array(TICKET_BYTES));
}

/**
 * Writes `ticket` into `words[at..at+3]`; no allocation.
 * @throws {RangeError} if the ticket is not 16 bytes, or the words are too few
 */
export function ticketToWords(ticket: Uint8Array, words: Int32Array, at = 0): void {
  if (ticket.length !== TICKET_BYTES) throw new RangeError(`A ticket has 16 bytes, not "${ticket.length}"`);
  if (at < 0 || at + TICKET_WORDS > words.length) throw new RangeError(`No room for a ticket at word "${at}"`);
  for (let i = 0; i < TICKET_WORDS; i++) {
    const from = 4 * i;
    words[at + i] = ticket[from] << 24 | ticket[from + 1] << 16 | ticket[from + 2] << 8 | ticket[from + 3];
  }
}

/**
 * The ticket in `words[at..at+3]`, as a new array of bytes.
 * @throws {RangeError} if the words are too few
 */
export function ticketFromWords(words: Int32Array, at = 0): Uint8Array {
  if (at < 0 || at + TICKET_WORDS > words.length) throw new RangeError(`No ticket at word "${at}"`);
  const ticket = new Uint8Array(TICKET_BYTES);
  for (let i = 0; i < TICKET_BYTES; i++) ticket[i] = words[at + (i >> 2)] >>> (24 - 8 * (i & 3));
  return ticket;
}

/** Whether the tickets at `a[aAt..]` and `b[bAt..]` are equal. It takes as long for a near miss as for a wild guess. */
export function sameTicket(a: Int32Array, aAt: number, b: Int32Array, bAt: number): boolean {
  let difference = 0;
  for (let i = 0; i < TICKET_WORDS; i++) difference |= a[aAt + i] ^ b[bAt + i];
  // Words beyond an array's end read as undefined, and undefined ^ undefined is 0: that must not match.
  return difference === 0 && aAt >= 0 && bAt >= 0 && aAt + TICKET_WORDS <= a.length && bAt + TICKET_WORDS <= b.length;
}
