// Messages of the ctl_conn by the million, with the ends of their ranges more often than chance would have it. It knows
// the ranges of the fields, and no bytes.

import { MAX_RANGES } from "../../core/protocol/address_range.ts";
import { controlId, proxyId, sessionNo, tunnelNo } from "../support/ids.ts";
import type { BinaryMessage, CtlMessage, JsonMessage, Notice } from "../../core/protocol/messages.ts";
import { oneLine } from "../../core/protocol/protocol_error.ts";
import type { Random } from "../support/random.ts";
import { oneOf } from "./mutation.ts";

const LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789-_./ \"\\'{}[]:,é\u4e16\u{1f600}\u202e";
const CHARACTERS = [...LETTERS];

/** A whole number, at times the least, the greatest, or next to them. */
export function numberIn(random: Random, low: number, high: number): number {
  if (random.chance(0.6)) return random.between(low, high);
  return Math.min(high, Math.max(low, oneOf(random, [low, low + 1, high, high - 1])));
}

/** Text without control characters, `low` to `high` UTF-16 code units long. */
export function textOf(random: Random, low: number, high: number): string {
  const length = random.chance(0.9) ? random.between(low, Math.min(high, low + 12)) : numberIn(random, low, high);
  let text = "";
  while (text.length < length) text += oneOf(random, CHARACTERS);
  // half of a pair at the end becomes a space
  return oneLine(text, length);
}

/** Lower-case hex digits for this many bytes. */
export function hexOf(random: Random, bytes: number): string {
  let text = "";
  for (let i = 0; i < bytes; i += 4) text += random.between(0, 0xffff_ffff).toString(16).padStart(8, "0");
  return text;
}

const u32 = (random: Random) => numberIn(random, 0, 0xffff_ffff);
const id = (random: Random) => numberIn(random, 1, 0xffff_ffff);
const word = (random: Random) => u32(random) | 0;
const tunnel = (random: Random) => tunnelNo(numberIn(random, 1, 0xffff));

/** Address ranges as they travel. */
function rangesOf(random: Random): string[] {
  const ranges: string[] = [];
  while (ranges.length < MAX_RANGES && random.chance(0.3)) {
    ranges.push(oneOf(random, ["0.0.0.0/0", "::/0", "192.0.2.0/24", "198.51.100.7/32", "2001:db8::/32", "::1/128"]));
  }
  return ranges;
}

/** Any message whose body is JSON. */
export function jsonMessage(random: Random): JsonMessage {
  switch (random.between(0, 10)) {
    case 0:
    case 1:
      return {
        type: "NewCtlReq",
        version: random.chance(0.5) ? 1 : u32(random),
        nonce: hexOf(random, 32),
        instance: hexOf(random, 16),
        program: textOf(random, 0, 64),
        workers: numberIn(random, 1, 256),
      };
    case 2:
      return {
        type: "NewCtlChallenge",
        version: random.chance(0.5) ? 1 : u32(random),
        nonce: hexOf(random, 32),
        auth: random.chance(0.5) ? "token" : "none",
      };
    case 3:
      return random.chance(0.5)
        ? { type: "NewCtlProof", auth: "token", proof: hexOf(random, 32) }
        : { type: "NewCtlProof", auth: "none", proof: "" };
    case 4:
      return {
        type: "NewCtlRsp",
        ok: true,
        proof: random.chance(0.5) ? "" : hexOf(random, 32),
        proxy_port: numberIn(random, 1, 0xffff),
        heartbeat_timeout_ms: numberIn(random, 100, 86_400_000),
        control: controlId(id(random)),
      };
    case 5:
      return { type: "NewCtlRsp", ok: false, reason: textOf(random, 0, 200) };
    case 6:
      return {
        type: "NewTunnelReq",
        tunnel: tunnel(random),
        name: textOf(random, 1, 128),
        remote_port: numberIn(random, 0, 0xffff),
        allow: rangesOf(random),
        deny: rangesOf(random),
      };
    case 7:
      return {
        type: "NewTunnelRsp",
        tunnel: tunnel(random),
        ok: true,
        address: textOf(random, 1, 255),
        remote_port: numberIn(random, 1, 0xffff),
        allow: rangesOf(random),
        deny: rangesOf(random),
      };
    case 8:
      return {
        type: "NewTunnelRsp",
        tunnel: tunnel(random),
        ok: false,
        rule: textOf(random, 0, 32),
        reason: textOf(random, 0, 200),
      };
    case 9:
      return { type: "CloseCtl", reason: textOf(random, 0, 200) };
    default:
      return { type: "CloseTunnel", tunnel: tunnel(random), reason: textOf(random, 0, 200) };
  }
}

/** Any notice about a session. */
export function noticeMessage(random: Random): Notice {
  const proxy = proxyId(id(random));
  const session = sessionNo(id(random));
  switch (random.between(0, 2)) {
    case 0: {
      const total = numberIn(random, 0, Number.MAX_SAFE_INTEGER);
      return { type: "NotifyProxyShutdownPeerConn", proxy, session, total };
    }
    case 1:
      return { type: "FreeProxyConnReq", proxy, session };
    default:
      return { type: "ResetSession", proxy, session, total: numberIn(random, 0, Number.MAX_SAFE_INTEGER) };
  }
}

/** Any message of a ctl_conn with a fixed layout. */
export function binaryMessage(random: Random): Exclude<BinaryMessage, Notice> {
  if (random.chance(0.3)) return { type: "Heartbeat" };
  return {
    type: "NotifyClientNeedProxy",
    worker: numberIn(random, 0, 255),
    notices: random.chance(0.5),
    proxy: proxyId(id(random)),
    ticket: [word(random), word(random), word(random), word(random)],
  };
}

/** Any message. */
export function anyMessage(random: Random): CtlMessage {
  return random.chance(0.5) ? jsonMessage(random) : binaryMessage(random);
}
