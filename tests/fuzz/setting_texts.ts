// Texts that a user might write for a setting, right, nearly right and malicious. It knows the tables of settings by
// their form only, so that a new setting is fuzzed as soon as it is in its table.

import type { SettingsTable } from "../../core/config/setting.ts";
import type { Random } from "../support/random.ts";
import { oneOf } from "./mutation.ts";

/** Values of all kinds, whichever setting they end up at. */
const COMMON = [
  "127.0.0.1:8080",
  "[::1]:8080",
  "[::ffff:1.2.3.4]:1",
  "name.example.:65535",
  "unix:/run/app.sock",
  `unix:/${"x".repeat(107)}`,
  "0.0.0.0",
  "::",
  "fe80::1%eth0",
  "256.1.1.1",
  "1.2.3",
  "0x7f.1",
  "10.0.0.0/8",
  "10.0.0.1/33",
  "2001:db8::/32",
  "::/0",
  "0.0.0.0/0",
  "1-65535",
  "9000-9100",
  "9100-9000",
  "80,443,1000-2000",
  "0",
  "-1",
  "1",
  "64",
  "65",
  "65535",
  "65536",
  "1e3",
  "0x10",
  "010",
  "00",
  "999999999",
  "9999999999999999999999",
  "1.5",
  ".5",
  "10s",
  "500ms",
  "2m",
  "60m",
  "60.001m",
  "0.0000001ms",
  "10 s",
  "",
  " ",
  "true",
  "null",
  "info",
  "json",
  "NaN",
  "Infinity",
  "__proto__",
  "constructor",
  "\u0000",
  "\n",
  "\u2028",
  "\u202e",
  "\u{1f600}",
  "é.example:1",
  "a".repeat(64),
  "a".repeat(2000),
];

const PIECES = [
  ":",
  "[",
  "]",
  ".",
  "-",
  "/",
  ",",
  "%",
  "unix:",
  "::",
  "0",
  "255",
  "65535",
  "ms",
  "s",
  "m",
  " ",
  "\n",
  "é",
];

/** Words for mutations. */
export const SETTING_WORDS: readonly Uint8Array[] = [...COMMON, ...PIECES].map((word) =>
  new TextEncoder().encode(word)
);

/** A text for the setting `key`, right more often than not. */
export function settingText(random: Random, settings: SettingsTable, key: string): string {
  const { example, default: fallback } = settings[key];
  if (random.chance(0.75)) return random.chance(0.7) || fallback === null ? example : fallback;
  return random.chance(0.4) ? oneOf(random, Object.values(settings)).example : oneOf(random, COMMON);
}
