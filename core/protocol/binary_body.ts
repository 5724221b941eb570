// The bodies of the frequent messages: fixed layouts, written and read in place, big-endian, without allocation.
// It must never know frames or connections. docs/protocol.md has the offsets, and a test compares the two.
// `view` always is over the whole buffer and `at` the offset of the body's first byte.

import type { ProxyId, SessionNo } from "./ids.ts";
import type {
  BinaryMessage,
  FreeProxyConnReq,
  NotifyClientNeedProxy,
  NotifyProxyShutdownPeerConn,
  ResetSession,
} from "./messages.ts";
import { ProtocolError } from "./protocol_error.ts";
import { readTicket, type Ticket, writeTicket } from "./ticket.ts";

/** Size in bytes of every fixed body. */
export const BINARY_BODY_BYTES: Readonly<Record<BinaryMessage["type"], number>> = {
  Heartbeat: 0,
  NotifyClientNeedProxy: 24,
  NotifyProxyShutdownPeerConn: 16,
  FreeProxyConnReq: 8,
  ResetSession: 16,
};

/**
 * Checks that a body has the size of its type.
 * @throws {ProtocolError} if it has not
 */
export function expectBodySize(type: BinaryMessage["type"], size: number): void {
  const expected = BINARY_BODY_BYTES[type];
  if (size !== expected) throw new ProtocolError(`${type} with a body of ${size} bytes instead of ${expected}`);
}

/** The highest number of a relay Worker: the preamble has one byte for it. */
export const MAX_WORKER = 0xff;

const TWO_32 = 0x1_0000_0000;

/**
 * Writes the 24 bytes of NotifyClientNeedProxy.
 * @throws {RangeError} if the worker is not in 0..255
 */
export function writeNeedProxy(
  view: DataView,
  at: number,
  worker: number,
  notices: boolean,
  proxy: ProxyId,
  ticket: Ticket,
): void {
  if (!(worker >= 0 && worker <= MAX_WORKER)) throw new RangeError(`A worker is 0 to ${MAX_WORKER}, not "${worker}"`);
  view.setUint16(at, worker);
  view.setUint16(at + 2, notices ? 1 : 0);
  view.setUint32(at + 4, proxy);
  writeTicket(view, at + 8, ticket);
}

/**
 * Writes the 16 bytes of NotifyProxyShutdownPeerConn or ResetSession.
 * @throws {RangeError} if the total is not in 0..2^53-1
 */
export function writeEnd(
  view: DataView,
  at: number,
  proxy: ProxyId,
  session: SessionNo,
  total: number,
): void {
  if (!Number.isSafeInteger(total) || total < 0) throw new RangeError(`A total is 0 to 2^53-1, not "${total}"`);
  writeProxySession(view, at, proxy, session);
  // Two u32 halves, because setBigUint64 would make a BigInt.
  view.setUint32(at + 8, Math.floor(total / TWO_32));
  view.setUint32(at + 12, total % TWO_32);
}

/** Writes the 8 bytes of FreeProxyConnReq. */
export function writeProxySession(view: DataView, at: number, proxy: ProxyId, session: SessionNo): void {
  view.setUint32(at, proxy);
  view.setUint32(at + 4, session);
}

/**
 * Reads the body of NotifyClientNeedProxy.
 * @throws {ProtocolError} if a field is out of range
 */
export function readNeedProxy(view: DataView, at: number): NotifyClientNeedProxy {
  const worker = view.getUint16(at);
  if (worker > MAX_WORKER) throw new ProtocolError(`NotifyClientNeedProxy for worker "${worker}" of at most 255`);
  const purpose = view.getUint16(at + 2);
  if (purpose > 1) throw new ProtocolError(`NotifyClientNeedProxy for an unknown purpose "${purpose}"`);
  const proxy = readProxy(view, at + 4);
  return { type: "NotifyClientNeedProxy", worker, notices: purpose === 1, proxy, ticket: readTicket(view, at + 8) };
}

/**
 * Reads the body of NotifyProxyShutdownPeerConn.
 * @throws {ProtocolError} if a field is out of range
 */
export function readShutdownPeer(view: DataView, at: number): NotifyProxyShutdownPeerConn {
  const [proxy, session] = [readProxy(view, at), readSession(view, at + 4)];
  return { type: "NotifyProxyShutdownPeerConn", proxy, session, total: readTotal(view, at + 8) };
}

/**
 * Reads the body of FreeProxyConnReq.
 * @throws {ProtocolError} if a number is 0
 */
export function readFreeProxyConn(view: DataView, at: number): FreeProxyConnReq {
  return { type: "FreeProxyConnReq", proxy: readProxy(view, at), session: readSession(view, at + 4) };
}

/**
 * Reads the body of ResetSession.
 * @throws {ProtocolError} if a field is out of range
 */
export function readResetSession(view: DataView, at: number): ResetSession {
  const [proxy, session] = [readProxy(view, at), readSession(view, at + 4)];
  return { type: "ResetSession", proxy, session, total: readTotal(view, at + 8) };
}

function readTotal(view: DataView, at: number): number {
  const total = view.getUint32(at) * TWO_32 + view.getUint32(at + 4);
  if (!Number.isSafeInteger(total)) throw new ProtocolError("A total above 2^53-1");
  return total;
}

function readProxy(view: DataView, at: number): ProxyId {
  const proxy = view.getUint32(at);
  if (proxy === 0) throw new ProtocolError("A ProxyConn with the number 0");
  return proxy as ProxyId;
}

function readSession(view: DataView, at: number): SessionNo {
  const session = view.getUint32(at);
  if (session === 0) throw new ProtocolError("A session with the number 0");
  return session as SessionNo;
}
