// Bytes to send and to compare, all at once in memory. It knows nothing of what carries them.

/** `count` bytes that look random and are the same for the same seed. */
export function noise(seed: number, count: number): Uint8Array<ArrayBuffer> {
  const words = new Uint32Array(Math.ceil(count / 4));
  let state = (Math.imul(seed, 0x9e3779b1) ^ 0x6d2b79f5) | 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return new Uint8Array(words.buffer, 0, count);
}

/** Fails unless both have the same bytes; for megabytes, where comparing values one by one would take minutes. */
export function assertSameBytes(actual: Uint8Array, expected: Uint8Array): void {
  const length = Math.min(actual.length, expected.length);
  for (let i = 0; i < length; i++) {
    if (actual[i] !== expected[i]) throw new Error(`Byte ${i} is ${actual[i]}, not ${expected[i]}`);
  }
  if (actual.length !== expected.length) throw new Error(`${actual.length} bytes, not ${expected.length}`);
}
