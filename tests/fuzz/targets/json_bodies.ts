// The bodies of the rare messages. An input is a type byte and JSON behind it. Whatever a peer writes there, only the
// known fields come out, with values in their ranges, and what comes out can be sent.

import { LONGEST_RANGE, MAX_RANGES } from "../../../core/protocol/address_range.ts";
import { decodeJsonBody, encodeJsonBody, LONGEST_REASON } from "../../../core/protocol/json_body.ts";
import type { JsonMessage } from "../../../core/protocol/messages.ts";
import { ProtocolError } from "../../../core/protocol/protocol_error.ts";
import type { Random } from "../../support/random.ts";
import { jsonMessage } from "../messages.ts";
import { joined, oneOf } from "../mutation.ts";
import { bug, expectCleanPrototypes, expectOneLine, type Target } from "../target.ts";

const encoder = new TextEncoder();

const FIELDS: Record<JsonMessage["type"], readonly string[]> = {
  NewCtlReq: ["version", "nonce", "instance", "program", "workers"],
  NewCtlChallenge: ["version", "nonce", "auth"],
  NewCtlProof: ["auth", "proof"],
  NewCtlRsp: ["ok", "proof", "proxy_port", "heartbeat_timeout_ms", "control", "reason"],
  CloseCtl: ["reason"],
  NewTunnelReq: ["tunnel", "name", "remote_port", "allow", "deny"],
  NewTunnelRsp: ["tunnel", "ok", "address", "remote_port", "allow", "deny", "rule", "reason"],
  CloseTunnel: ["tunnel", "reason"],
};
const TYPES = Object.keys(FIELDS) as JsonMessage["type"][];

/** Keys that mean something to JavaScript, and values that mean something to somebody. */
const KEYS = ["__proto__", "constructor", "prototype", "toString", "type", "length", "", "ok", "tunnel", "auth"];
const VALUES = [
  "null",
  "true",
  "false",
  "0",
  "-0",
  "-1",
  "0.5",
  "1e400",
  "1e-400",
  "65535",
  "65536",
  "4294967295",
  "4294967296",
  "9007199254740993",
  '""',
  '"\\u0000"',
  '"\\ud800"',
  '"\\udc00\\ud800"',
  '"\\u2028"',
  '"\u202e"',
  '"__proto__"',
  "[]",
  '["10.0.0.0/8","::/0"]',
  '["10.0.0.1/8"]',
  '["::ffff:1.2.3.4/128", 1]',
  `[${'"::/0",'.repeat(64)}"::/0"]`,
  "{}",
  '{"__proto__":{"polluted":1}}',
  '{"constructor":{"prototype":{"polluted":1}}}',
  `"${"x".repeat(300)}"`,
  `"${"\u{1f600}".repeat(100)}"`,
  "[".repeat(3000) + "]".repeat(3000),
  '{"a":'.repeat(3000) + "1" + "}".repeat(3000),
];
const WORDS = [...KEYS.map((key) => `"${key}":`), ...VALUES, ...'{}[]:,"', "[[[[", "\ufeff"].map((word) =>
  encoder.encode(word)
);

/** The text of a message, mostly with something odd about it. */
function jsonText(random: Random, message: JsonMessage): string {
  const { type: _, ...fields } = message;
  const members = Object.entries(fields).map(([key, value]) => [key, JSON.stringify(value)]);
  while (random.chance(0.5)) {
    const at = random.between(0, members.length);
    const key = random.chance(0.5) || at === members.length ? oneOf(random, KEYS) : members[at][0];
    const value = oneOf(random, VALUES);
    if (random.chance(0.3) && at < members.length) members[at] = [members[at][0], value];
    else if (random.chance(0.2)) members.splice(at, 1);
    else members.splice(at, 0, [key, value]);
  }
  return `{${members.map(([key, value]) => `"${key}":${value}`).join(",")}}`;
}

/** decodeJsonBody for every type. */
export const jsonBodies: Target = {
  name: "json_bodies",
  share: 10,
  longest: 65_532,
  words: WORDS,
  valid(random) {
    const message = jsonMessage(random);
    return joined(Uint8Array.of(TYPES.indexOf(message.type)), encoder.encode(jsonText(random, message)));
  },
  accepts(input) {
    if (input.length === 0) return false;
    const type = TYPES[input[0] % TYPES.length];
    let message: JsonMessage;
    try {
      message = decodeJsonBody(type, input.subarray(1));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      expectOneLine(error.message, 200);
      expectCleanPrototypes();
      return false;
    }
    expectCleanPrototypes();
    expectSound(type, message);
    const again = decodeJsonBody(type, encodeJsonBody(message));
    if (JSON.stringify(again) !== JSON.stringify(message)) {
      bug(`Read as ${JSON.stringify(message)}, and sent on as ${JSON.stringify(again)}`);
    }
    return true;
  },
};

/** What holds for every message that was read, said in other words than those of the codec. */
function expectSound(type: JsonMessage["type"], message: JsonMessage): void {
  if (message.type !== type) bug(`A ${type} became a ${message.type}`);
  if (Object.getPrototypeOf(message) !== Object.prototype) bug("The message has another prototype");
  for (const [key, value] of Object.entries(message)) {
    if (key !== "type" && !FIELDS[type].includes(key)) bug(`${type} has got a field "${key}"`);
    if (key === "allow" || key === "deny") {
      if (
        value.length > MAX_RANGES ||
        value.some((range: unknown) => typeof range !== "string" || range.length > LONGEST_RANGE)
      ) bug(`${type} has odd ranges`);
    } else if (typeof value === "string") expectOneLine(value, key === "address" ? 255 : LONGEST_REASON);
    else if (typeof value === "number" ? !Number.isSafeInteger(value) || value < 0 : typeof value !== "boolean") {
      bug(`${type} has ${key} = ${JSON.stringify(value)}`);
    }
  }
}
