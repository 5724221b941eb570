// The bodies of the rare messages: JSON, validated when it arrives and, with the same schemas, before it leaves.
// It must never know frames or connections. Unknown keys are dropped, so that a later version may add some.

import * as v from "valibot";
import { LONGEST_RANGE, MAX_RANGES } from "./address_range.ts";
import type { ControlId, TunnelNo } from "./ids.ts";
import type { JsonMessage } from "./messages.ts";
import { oneLine, ProtocolError } from "./protocol_error.ts";

/** The longest `reason`, in UTF-16 code units; with it every JSON frame of a login fits into 1024 bytes. */
export const LONGEST_REASON = 200;

const whole = (min: number, max: number) =>
  v.pipe(
    v.number("expected a number"),
    v.check((n) => Number.isInteger(n) && n >= min && n <= max, `expected a whole number from ${min} to ${max}`),
  );

const hex = (bytes: number) =>
  v.pipe(
    v.string("expected a string"),
    v.regex(new RegExp(`^[0-9a-f]{${2 * bytes}}$`), `expected ${2 * bytes} lower-case hex digits`),
  );

const text = (min: number, max: number) =>
  v.pipe(
    v.string("expected a string"),
    v.check(
      (s) => s.length >= min && s.length <= max && s === oneLine(s, max),
      `expected ${min} to ${max} characters, no control characters`,
    ),
  );

// Cleaned rather than refused: a refusal must reach the person who needs it.
const reason = v.pipe(v.string("expected a string"), v.transform((s) => oneLine(s, LONGEST_REASON)));

// Counted before they are looked at: a frame has room for thousands. Their texts are read where they are needed, after all
// that costs less.
const ranges = v.pipe(
  v.array(v.unknown(), "expected a list"),
  v.maxLength(MAX_RANGES, `expected at most ${MAX_RANGES} address ranges`),
  v.array(v.pipe(
    v.string("expected a string"),
    v.maxLength(LONGEST_RANGE, "expected an address range such as 192.0.2.0/24"),
  )),
);

// A server that says nothing of ranges keeps to none.
const inForce = v.optional(ranges, []);

const version = whole(0, 0xffff_ffff);
const proof = v.union([hex(32), v.literal("")], "expected 64 lower-case hex digits or nothing");
const tunnel = v.pipe(whole(1, 0xffff), v.transform((n) => n as TunnelNo));
const control = v.pipe(whole(1, 0xffff_ffff), v.transform((n) => n as ControlId));

const SCHEMA = {
  NewCtlReq: v.object({ version, nonce: hex(32), instance: hex(16), program: text(0, 64), workers: whole(1, 256) }),
  NewCtlChallenge: v.object({ version, nonce: hex(32), auth: v.picklist(["token", "none"]) }),
  NewCtlProof: v.variant("auth", [
    v.object({ auth: v.literal("token"), proof: hex(32) }),
    v.object({ auth: v.literal("none"), proof: v.literal("") }),
  ]),
  NewCtlRsp: v.variant("ok", [
    v.object({
      ok: v.literal(true),
      proof,
      proxy_port: whole(1, 0xffff),
      heartbeat_timeout_ms: whole(100, 86_400_000),
      control,
    }),
    v.object({ ok: v.literal(false), reason }),
  ]),
  CloseCtl: v.object({ reason }),
  NewTunnelReq: v.object({ tunnel, name: text(1, 128), remote_port: whole(0, 0xffff), allow: ranges, deny: ranges }),
  NewTunnelRsp: v.variant("ok", [
    v.object({
      tunnel,
      ok: v.literal(true),
      address: text(1, 255),
      remote_port: whole(1, 0xffff),
      allow: inForce,
      deny: inForce,
    }),
    v.object({ tunnel, ok: v.literal(false), rule: text(0, 32), reason }),
  ]),
  CloseTunnel: v.object({ tunnel, reason }),
} as const;

// The compiler's proof that what a schema lets through, with its type, is the message of messages.ts and nothing else.
type Parsed = { [T in JsonMessage["type"]]: { type: T } & v.InferOutput<(typeof SCHEMA)[T]> }[JsonMessage["type"]];

const encoder = new TextEncoder();
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * The body of `message` in bytes.
 * @throws {TypeError} if a field is out of its range: a mistake of this program, not of the peer
 */
export function encodeJsonBody(message: JsonMessage): Uint8Array {
  const result = v.safeParse(SCHEMA[message.type], message, { abortEarly: true });
  if (!result.success) throw new TypeError(`Cannot send ${message.type}: ${complaint(result.issues[0])}`);
  return encoder.encode(JSON.stringify(result.output));
}

/**
 * The message of this type whose body is `bytes`.
 * @throws {ProtocolError} if that is not UTF-8, not JSON, or does not fit the type
 */
export function decodeJsonBody(type: JsonMessage["type"], bytes: Uint8Array): JsonMessage {
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(bytes));
  } catch (error) {
    throw new ProtocolError(`${type} is not JSON: ${error instanceof Error ? error.message : error}`);
  }
  const result = v.safeParse(SCHEMA[type], body, { abortEarly: true });
  if (!result.success) throw new ProtocolError(`Invalid ${type}: ${complaint(result.issues[0])}`);
  return { type, ...result.output } as Parsed satisfies JsonMessage;
}

function complaint(issue: v.BaseIssue<unknown>): string {
  const field = v.getDotPath(issue);
  return field === null ? issue.message : `"${field}": ${issue.message}`;
}
