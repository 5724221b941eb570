// A Worker that writes two rings as two others would: for each number first the cause into one ring, then the effect
// into the other one.

import { RECORD_WORDS, RingWriter } from "../../core/reactor/spsc_ring.ts";

const scope = self as unknown as {
  onmessage: (event: MessageEvent<{ causes: SharedArrayBuffer; effects: SharedArrayBuffer; count: number }>) => void;
  postMessage(message: unknown): void;
  close(): void;
};

/** Ms after which it gives up. */
const PATIENCE_MS = 20_000;
const nap = new Int32Array(new SharedArrayBuffer(4));

scope.onmessage = ({ data: { causes, effects, count } }) => {
  const writers = [new RingWriter(causes), new RingWriter(effects)];
  const record = new Int32Array(RECORD_WORDS);
  const deadline = performance.now() + PATIENCE_MS;
  for (let number = 1; number <= count && performance.now() < deadline; number++) {
    record[0] = number;
    for (const writer of writers) {
      while (!writer.push(record) && performance.now() < deadline) Atomics.wait(nap, 0, 0, 0.05);
    }
  }
  scope.postMessage("done");
  scope.close();
};
