// From an input that is right to one that is nearly right. It knows bytes only.

import type { Random } from "../support/random.ts";
import type { Target } from "./target.ts";

const BYTES = [0, 1, 0x20, 0x22, 0x7f, 0x80, 0xc0, 0xfe, 0xff];
const WORDS = [
  0,
  1,
  4,
  5,
  0x7fff_ffff,
  0x8000_0000,
  0xffff_fffe,
  0xffff_ffff,
  1019,
  1020,
  1021,
  65_531,
  65_532,
  65_533,
];

/** Up to `longest` bytes of noise. */
export function randomBytes(random: Random, longest: number): Uint8Array {
  const bytes = new Uint8Array(random.between(0, longest));
  for (let i = 0; i < bytes.length; i++) bytes[i] = random.between(0, 255);
  return bytes;
}

/** One element of a list. */
export function oneOf<T>(random: Random, list: readonly T[]): T {
  return list[random.between(0, list.length - 1)];
}

/** `input` with one change, or a few on top of each other. */
export function mutated(random: Random, input: Uint8Array, target: Target): Uint8Array {
  let bytes: Uint8Array = input.slice();
  do bytes = changed(random, bytes, target); while (random.chance(0.4));
  return bytes.length > target.longest ? bytes.subarray(0, target.longest) : bytes;
}

function changed(random: Random, bytes: Uint8Array, target: Target): Uint8Array {
  const at = random.between(0, Math.max(0, bytes.length - 1));
  // mostly short, at times any length
  const to = Math.min(bytes.length, at + random.between(0, random.chance(0.8) ? 8 : bytes.length));
  switch (random.between(0, 12)) {
    case 0:
    case 1:
      if (bytes.length > 0) bytes[at] ^= 1 << random.between(0, 7);
      return bytes;
    case 2:
      if (bytes.length > 0) bytes[at] = random.chance(0.5) ? oneOf(random, BYTES) : random.between(0, 255);
      return bytes;
    case 3: // a lie about a length, mostly
      if (bytes.length < 4) return bytes;
      new DataView(bytes.buffer, bytes.byteOffset).setUint32(
        Math.min(at, bytes.length - 4),
        random.chance(0.7) ? oneOf(random, WORDS) : random.between(0, bytes.length),
      );
      return bytes;
    case 4:
      return bytes.subarray(0, at);
    case 5:
      return bytes.subarray(at);
    case 6:
      return joined(bytes.subarray(0, at), bytes.subarray(to));
    case 7:
      return joined(bytes.subarray(0, at), randomBytes(random, 8), bytes.subarray(at));
    case 8: // in another order
      return joined(bytes.subarray(to), bytes.subarray(0, at), bytes.subarray(at, to));
    case 9: // twice
      return joined(bytes.subarray(0, to), bytes.subarray(at));
    case 10: {
      const other = target.valid(random);
      const cut = random.between(0, other.length);
      return random.chance(0.5)
        ? joined(bytes.subarray(0, at), other.subarray(cut))
        : joined(bytes.subarray(0, at), other.subarray(0, cut), bytes.subarray(to));
    }
    case 11: {
      const word = target.words === undefined ? randomBytes(random, 4) : oneOf(random, target.words);
      return joined(bytes.subarray(0, at), word, bytes.subarray(random.chance(0.5) ? at : to));
    }
    default: { // very often, which shows what takes time that is not linear
      if (!random.chance(0.01)) return bytes;
      const part = target.words !== undefined && random.chance(0.7) ? oneOf(random, target.words) : bytes.slice(at, to);
      const room = target.longest - bytes.length;
      if (part.length === 0 || room <= 0) return bytes;
      const size = random.chance(0.5) ? room : random.between(0, room);
      const many = new Uint8Array(size - size % part.length);
      for (let i = 0; i < many.length; i += part.length) many.set(part, i);
      return joined(bytes.subarray(0, at), many, bytes.subarray(at));
    }
  }
}

/** All of them, one behind the other. */
export function joined(...parts: Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
