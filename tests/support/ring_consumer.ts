// A Worker that takes the records of a ring and says what was wrong with them. Each record is its number and fifteen
// words made of it.

import { RECORD_WORDS, RingReader } from "../../core/reactor/spsc_ring.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ memory: SharedArrayBuffer; count: number }>) => void;
  postMessage(message: unknown): void;
  close(): void;
};

/** Ms after which it gives up. */
const PATIENCE_MS = 20_000;
const nap = new Int32Array(new SharedArrayBuffer(4));

scope.onmessage = ({ data: { memory, count } }) => {
  const reader = new RingReader(memory);
  const { words } = reader;
  const deadline = performance.now() + PATIENCE_MS;
  let wrong = 0;
  let taken = 0;
  while (taken < count && performance.now() < deadline) {
    const tail = reader.tail();
    for (let at = reader.at(tail); at >= 0; at = reader.at(tail)) {
      for (let i = 0; i < RECORD_WORDS; i++) if (words[at + i] !== Math.imul(taken, i + 1)) wrong++;
      taken++;
      reader.advance();
    }
    if (reader.isEmpty()) Atomics.wait(nap, 0, 0, 0.05);
  }
  scope.postMessage({ taken, wrong });
  scope.close();
};
