// What it costs to hand a record from one Worker to another, without the wake-up.

import { allocateRing, RECORD_WORDS, RingReader, RingWriter } from "../../core/reactor/spsc_ring.ts";

const CAPACITY = 1024;
const memory = allocateRing(CAPACITY);
const writer = new RingWriter(memory);
const reader = new RingReader(memory);
const record = new Int32Array(RECORD_WORDS).fill(7);

function drain(): number {
  const tail = reader.tail();
  let sum = 0;
  for (let at = reader.at(tail); at >= 0; at = reader.at(tail)) {
    sum += reader.words[at];
    reader.advance();
  }
  return sum;
}

Deno.bench("1 record there", { group: "ring", baseline: true }, () => {
  writer.push(record);
  drain();
});

Deno.bench("64 records there at once", { group: "ring" }, () => {
  for (let i = 0; i < 64; i++) writer.push(record);
  drain();
});
