import { controlId, proxyId, sessionNo, tunnelNo } from "../core/protocol/ids.ts";
import { newTicket, sameTicket, ticketFromWords, ticketToWords } from "../core/protocol/ticket.ts";
import { assert, assertEquals, assertNotEquals, assertThrows } from "./support/assert.ts";

Deno.test("Ids take their whole range and nothing else", () => {
  for (
    const [make, max] of [[proxyId, 2 ** 32 - 1], [sessionNo, 2 ** 32 - 1], [controlId, 2 ** 32 - 1], [
      tunnelNo,
      65535,
    ]] as const
  ) {
    assertEquals<number>(make(1), 1);
    assertEquals<number>(make(max), max);
    for (const bad of [0, -1, max + 1, 1.5, NaN, Infinity]) {
      assertThrows(() => make(bad), RangeError, `not "${bad}"`);
    }
  }
});

Deno.test("A ticket survives the way through four words of shared memory", () => {
  const words = new Int32Array(new SharedArrayBuffer(40));
  const ticket = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
  ticketToWords(ticket, words, 3);
  assertEquals(ticketFromWords(words, 3), ticket);
  assertEquals(Array.from(words), [0, 0, 0, 0xfffefdfc | 0, 0xfbfaf9f8 | 0, 0xf7f6f5f4 | 0, 0xf3f2f1f0 | 0, 0, 0, 0]);
});

Deno.test("Tickets are the same only if all 128 bits are", () => {
  const a = new Int32Array(4);
  const b = new Int32Array(8);
  ticketToWords(newTicket(), a);
  b.set(a, 2);
  assert(sameTicket(a, 0, b, 2));
  for (let bit = 0; bit < 128; bit++) {
    b.set(a, 2);
    b[2 + (bit >> 5)] ^= 1 << (bit & 31);
    assert(!sameTicket(a, 0, b, 2), `bit ${bit}`);
  }
});

Deno.test("Words beyond an array's end are no ticket", () => {
  const words = new Int32Array(4);
  assert(!sameTicket(words, 4, words, 4));
  assert(!sameTicket(words, 0, new Int32Array(3), 0));
  assertThrows(() => ticketToWords(new Uint8Array(16), words, 1), RangeError);
  assertThrows(() => ticketToWords(new Uint8Array(15), words), RangeError);
  assertThrows(() => ticketFromWords(words, 1), RangeError);
});

Deno.test("New tickets are 16 bytes, each time others", () => {
  assertEquals(newTicket().length, 16);
  assertNotEquals(newTicket(), newTicket());
});
