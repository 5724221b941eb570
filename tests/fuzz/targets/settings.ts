// The values of settings: addresses, ports, times and whatever else the tables have. An input is the number of a setting
// and a text. What is accepted and written again must be read as the same.

import { CLIENT_PROGRAM } from "../../../core/config/client_config.ts";
import { UnexpectedValueError } from "../../../core/config/config_error.ts";
import { type Endpoint, formatEndpoint } from "../../../core/config/endpoint.ts";
import { formatPortRanges, type PortRange } from "../../../core/config/ranges.ts";
import { SERVER_PROGRAM } from "../../../core/config/server_config.ts";
import type { SettingsTable } from "../../../core/config/setting.ts";
import { formatDuration } from "../../../core/config/value_kind.ts";
import { addressRanges } from "../../../core/protocol/address_range.ts";
import { internetAddress } from "../../../ffi/socket_address.ts";
import { joined } from "../mutation.ts";
import { SETTING_WORDS, settingText } from "../setting_texts.ts";
import { bug, expectOneLine, type Target } from "../target.ts";

/** Every setting once, under a name that it shares with none. */
const SETTINGS: SettingsTable = Object.fromEntries(
  [SERVER_PROGRAM, CLIENT_PROGRAM].flatMap(({ name, settings, list }) =>
    Object.entries({ ...settings, ...list?.settings }).map(([key, setting]) => [`${name} ${key}`, setting])
  ),
);
const KEYS = Object.keys(SETTINGS);
const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** Every ValueKind that a setting has. */
export const settingValues: Target = {
  name: "setting_values",
  share: 12,
  longest: 65_536,
  words: SETTING_WORDS,
  valid(random) {
    const number = random.between(0, KEYS.length - 1);
    return joined(Uint8Array.of(number), encoder.encode(settingText(random, SETTINGS, KEYS[number])));
  },
  accepts(input) {
    if (input.length === 0) return false;
    const key = KEYS[input[0] % KEYS.length];
    const text = decoder.decode(input.subarray(1));
    const value = read(key, text);
    // YAML gives lists as such
    const list = text.includes(",") ? read(key, text.split(",")) : undefined;
    return value !== undefined || list !== undefined;
  },
};

function read(key: string, text: string | string[]): unknown {
  const kind = SETTINGS[key].value;
  let value: unknown;
  try {
    value = kind.read(text);
  } catch (error) {
    if (!(error instanceof UnexpectedValueError)) throw error;
    expectOneLine(error.message, 600);
    return undefined;
  }
  const written = writtenAgain(value, kind.placeholder);
  if (written === undefined) return value;
  const again = kind.read(written);
  if (JSON.stringify(again) !== JSON.stringify(value)) {
    bug(`${key}: ${JSON.stringify(text)} is ${JSON.stringify(value)}, and ${written} is ${JSON.stringify(again)}`);
  }
  return value;
}

/** The value as a user would write it; undefined for kinds that nobody writes. */
function writtenAgain(value: unknown, placeholder: string): string | string[] | undefined {
  if (Array.isArray(value)) return listAgain(value, placeholder);
  if (typeof value === "number") return placeholder === "TIME" ? formatDuration(value) : String(value);
  if (typeof value === "string") {
    if (placeholder === "HOST") expectNumericIfColon(value);
    return value;
  }
  const endpoint = value as Partial<Endpoint>;
  if (endpoint.kind !== "tcp" && endpoint.kind !== "unix") return undefined;
  if (endpoint.kind === "tcp") expectNumericIfColon(endpoint.host!);
  return formatEndpoint(endpoint as Endpoint);
}

/** A list as it would stand in YAML; undefined for the word that stands for an empty one. */
function listAgain(value: readonly unknown[], placeholder: string): string[] | undefined {
  if (value.length === 0) return undefined;
  if (placeholder === "PORTS") return formatPortRanges(value as PortRange[]).split(",");
  // the other side must understand the same
  if (placeholder === "RANGES" && addressRanges(value as string[]).length !== value.length) bug("A range got lost");
  return value as string[];
}

/**
 * A host with a colon is an IPv6 address, with or without the interface of a link-local one; the kernel must take it
 * too.
 */
function expectNumericIfColon(host: string): void {
  if (host.includes(":") && internetAddress(host.replace(/%.*$/, ""), 1) === null) {
    bug(`Accepted as an IPv6 address, which inet_pton refuses: ${host}`);
  }
}
