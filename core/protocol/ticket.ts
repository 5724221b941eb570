// Tickets: the 16 random bytes that let one TCP connection become one ProxyConn. In the program a ticket is four i32 words,
// the same bytes in big-endian order: plain numbers, because thousands of small byte arrays weigh more than what they are
// for. It must never know for which client a connection is.

/** Size of a ticket in bytes. */
export const TICKET_BYTES = 16;

/** A ticket as four i32 words. */
export type Ticket = readonly [number, number, number, number];

// drawn in advance, a batch at a time: one call of the random source serves 64 tickets
const random = new Int32Array(256);
let drawn = random.length;

/** A new ticket from the system's random source. Any thread. */
export function newTicket(): Ticket {
  if (drawn === random.length) {
    crypto.getRandomValues(random);
    drawn = 0;
  }
  const ticket: Ticket = [random[drawn], random[drawn + 1], random[drawn + 2], random[drawn + 3]];
  random.fill(0, drawn, drawn + 4);
  drawn += 4;
  return ticket;
}

/** Writes the 16 bytes of a ticket at `at` of `view`. */
export function writeTicket(view: DataView, at: number, ticket: Ticket): void {
  for (let i = 0; i < 4; i++) view.setInt32(at + 4 * i, ticket[i]);
}

/** Reads the 16 bytes of a ticket at `at` of `view`. */
export function readTicket(view: DataView, at: number): Ticket {
  return [view.getInt32(at), view.getInt32(at + 4), view.getInt32(at + 8), view.getInt32(at + 12)];
}

/** The ticket in `words[at..at+3]` of a record. */
export function ticketAt(words: Int32Array, at: number): Ticket {
  return [words[at], words[at + 1], words[at + 2], words[at + 3]];
}

/** Whether two tickets are equal. It takes as long for a near miss as for a wild guess. */
export function sameTicket(a: Ticket, b: Ticket): boolean {
  return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3])) === 0;
}
