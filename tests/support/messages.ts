// fast-check arbitraries for every message of the ctl_conn. It knows the ranges of the fields, and no bytes.

import fc from "fast-check";
import { controlId, proxyId, sessionNo, tunnelNo } from "./ids.ts";
import type { CtlMessage, Notice } from "../../core/protocol/messages.ts";
import type { Ticket } from "../../core/protocol/ticket.ts";
import { oneLine } from "../../core/protocol/protocol_error.ts";

const u16 = fc.integer({ min: 0, max: 65535 });
const port = fc.integer({ min: 1, max: 65535 });
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const id = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const tunnel = port.map(tunnelNo);
const proxy = id.map(proxyId);
const session = id.map(sessionNo);
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes })
    .map((b) => Array.from(b, (x) => x.toString(16).padStart(2, "0")).join(""));
const text = (minLength: number, maxLength: number) =>
  fc.string({ unit: "binary", minLength, maxLength: maxLength >> 1 }).map((s) => oneLine(s, maxLength));
const reason = text(0, 200);
const range = fc.oneof(
  fc.tuple(fc.ipV4(), fc.constant(32)),
  fc.tuple(fc.ipV6().filter((ip) => !ip.includes(".")), fc.constant(128)),
  fc.constantFrom(["0.0.0.0", 0] as const, ["10.128.0.0", 9] as const, ["2001:db8::", 33] as const, ["::", 0] as const),
).map(([ip, bits]) => `${ip}/${bits}`);
const ranges = fc.array(range, { maxLength: 64 });

const word = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
/** Any ticket. */
export const ticket: fc.Arbitrary<Ticket> = fc.tuple(word, word, word, word);

/** A request for a tunnel that is open to everybody. */
export function newTunnelReq(no: number, name: string, port: number): CtlMessage {
  return { type: "NewTunnelReq", tunnel: tunnelNo(no), name, remote_port: port, allow: [], deny: [] };
}

/** Any message that a correct end may send. */
export const anyMessage: fc.Arbitrary<CtlMessage> = fc.oneof(
  fc.record({
    type: fc.constant("NewCtlReq" as const),
    version: u32,
    nonce: hex(32),
    instance: hex(16),
    program: text(0, 64),
    workers: fc.integer({ min: 1, max: 256 }),
  }),
  fc.record({
    type: fc.constant("NewCtlChallenge" as const),
    version: u32,
    nonce: hex(32),
    auth: fc.constantFrom("token" as const, "none" as const),
  }),
  fc.record({ type: fc.constant("NewCtlProof" as const), auth: fc.constant("token" as const), proof: hex(32) }),
  fc.constant<CtlMessage>({ type: "NewCtlProof", auth: "none", proof: "" }),
  fc.record({
    type: fc.constant("NewCtlRsp" as const),
    ok: fc.constant(true as const),
    proof: fc.oneof(hex(32), fc.constant("")),
    proxy_port: port,
    heartbeat_timeout_ms: fc.integer({ min: 100, max: 86_400_000 }),
    control: id.map(controlId),
  }),
  fc.record({ type: fc.constant("NewCtlRsp" as const), ok: fc.constant(false as const), reason }),
  fc.record({ type: fc.constant("CloseCtl" as const), reason }),
  fc.record({
    type: fc.constant("NewTunnelReq" as const),
    tunnel,
    name: text(1, 128),
    remote_port: u16,
    allow: ranges,
    deny: ranges,
  }),
  fc.record({
    type: fc.constant("NewTunnelRsp" as const),
    tunnel,
    ok: fc.constant(true as const),
    address: text(1, 255),
    remote_port: port,
    allow: ranges,
    deny: ranges,
  }),
  fc.record({
    type: fc.constant("NewTunnelRsp" as const),
    tunnel,
    ok: fc.constant(false as const),
    rule: text(0, 32),
    reason,
  }),
  fc.record({ type: fc.constant("CloseTunnel" as const), tunnel, reason }),
  fc.constant<CtlMessage>({ type: "Heartbeat" }),
  fc.record({
    type: fc.constant("NotifyClientNeedProxy" as const),
    worker: fc.nat(255),
    notices: fc.boolean(),
    proxy,
    ticket,
  }),
);

/** Any notice. */
export const anyNotice: fc.Arbitrary<Notice> = fc.oneof(
  fc.record({
    type: fc.constant("NotifyProxyShutdownPeerConn" as const),
    proxy,
    session,
    total: fc.maxSafeNat(),
  }),
  fc.record({ type: fc.constant("FreeProxyConnReq" as const), proxy, session }),
  fc.record({ type: fc.constant("ResetSession" as const), proxy, session, total: fc.maxSafeNat() }),
);
