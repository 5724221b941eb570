import { newTicket, readTicket, sameTicket, type Ticket, ticketAt, writeTicket } from "../core/protocol/ticket.ts";
import { assert, assertEquals } from "./support/assert.ts";

Deno.test("A ticket survives the way through bytes, words of shared memory and back", () => {
  const words = new Int32Array(new SharedArrayBuffer(40));
  const bytes = Uint8Array.from({ length: 16 }, (_, i) => 255 - i);
  const ticket = readTicket(new DataView(bytes.buffer), 0);
  words.set(ticket, 3);
  assertEquals(Array.from(words), [0, 0, 0, 0xfffefdfc | 0, 0xfbfaf9f8 | 0, 0xf7f6f5f4 | 0, 0xf3f2f1f0 | 0, 0, 0, 0]);
  const written = new Uint8Array(20);
  writeTicket(new DataView(written.buffer), 4, ticketAt(words, 3));
  assertEquals(written.subarray(4), bytes);
});

Deno.test("Tickets are the same only if all 128 bits are", () => {
  const a = newTicket();
  assert(sameTicket(a, [...a]));
  for (let bit = 0; bit < 128; bit++) {
    const b = [...a] as [...Ticket];
    b[bit >> 5] ^= 1 << (bit & 31);
    assert(!sameTicket(a, b), `bit ${bit}`);
  }
});

Deno.test("New tickets are others each time, beyond a batch as well", () => {
  const seen = new Set(Array.from({ length: 1000 }, () => newTicket().join()));
  assertEquals(seen.size, 1000);
  // all four words are drawn: none is 0 in all of them
  for (let word = 0; word < 4; word++) assert([...seen].some((text) => text.split(",")[word] !== "0"));
});
