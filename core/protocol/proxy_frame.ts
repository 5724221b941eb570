// What is on a ProxyConn beside payload: the greeting with which it begins, by which the server's control Worker finds
// the relay Worker, and the frames of 16 bytes that start every session. All of it is read and written in place and
// without allocation. It must never know JSON or the ctl_conn: relay Workers import it, and nothing heavier.
//
// Fixed sizes are the point: the reader takes exactly so many bytes, and the payload right behind them stays in the
// socket for splice(2). What is not such a frame is payload out of place, so reserved fields are checked to be 0.

import { MAX_WORKER } from "./binary_body.ts";
import type { ProxyId, SessionNo, TunnelNo } from "./ids.ts";
import { ProtocolError } from "./protocol_error.ts";
import { readTicket, type Ticket, writeTicket } from "./ticket.ts";
import { PROTOCOL_VERSION, PROXY_TYPE_CODE } from "./wire.ts";

/** Size in bytes of the preamble: u32 magic, u8 version, u8 worker, u16 reserved. */
export const PREAMBLE_BYTES = 8;

/** Size in bytes of ProxyMetaSet: u32 length, u8 type, 3 bytes of padding, u32 proxy, 16 bytes of ticket. */
export const PROXY_META_SET_BYTES = 28;

/** What ProxyMetaSet says. */
export interface ProxyMetaSet {
  /** The number from NotifyClientNeedProxy. */
  proxy: ProxyId;
  /** The ticket from NotifyClientNeedProxy. */
  ticket: Ticket;
}

/** "CPXY". */
const MAGIC = 0x4350_5859;
const META_LENGTH = PROXY_META_SET_BYTES - 4;

/** Size in bytes of preamble and ProxyMetaSet together. */
export const GREETING_BYTES: number = PREAMBLE_BYTES + PROXY_META_SET_BYTES;

/**
 * The first 36 bytes of a ProxyConn, client -> server; `worker` 0..255 and `ticket` as NotifyClientNeedProxy had them. They
 * are written to `into`, which is new, or holds an earlier greeting.
 * @throws {RangeError} outside these
 */
export function encodePreambleAndMeta(
  worker: number,
  proxy: ProxyId,
  ticket: Ticket,
  into: Uint8Array = new Uint8Array(GREETING_BYTES),
): Uint8Array {
  if (!(worker >= 0 && worker <= MAX_WORKER)) throw new RangeError(`A worker is 0 to ${MAX_WORKER}, not "${worker}"`);
  const view = new DataView(into.buffer, into.byteOffset, GREETING_BYTES);
  view.setUint32(0, MAGIC);
  view.setUint8(4, PROTOCOL_VERSION);
  view.setUint8(5, worker);
  view.setUint32(8, META_LENGTH);
  view.setUint8(12, PROXY_TYPE_CODE.ProxyMetaSet);
  view.setUint32(16, proxy);
  writeTicket(view, 20, ticket);
  return into;
}

/**
 * The relay Worker, 0..255, that the preamble in the first 8 bytes of `view` names. Whether there is such a Worker, the
 * caller must check.
 * @throws {ProtocolError} if it is no preamble of this version
 * @throws {RangeError} if there are fewer than 8 bytes
 */
export function parsePreamble(view: DataView): number {
  if (view.getUint32(0) !== MAGIC) throw new ProtocolError("A connection to the proxy port that is no ProxyConn");
  const version = view.getUint8(4);
  if (version !== PROTOCOL_VERSION) {
    throw new ProtocolError(`A ProxyConn of protocol version ${version}, this is version ${PROTOCOL_VERSION}`);
  }
  if (view.getUint16(6) !== 0) throw new ProtocolError("A preamble with a reserved field that is not 0");
  return view.getUint8(5);
}

/** Whether bytes begin as a data connection does, of whatever version. */
export function isPreamble(bytes: Uint8Array): boolean {
  return bytes.length >= PREAMBLE_BYTES && new DataView(bytes.buffer, bytes.byteOffset).getUint32(0) === MAGIC;
}

/**
 * What the ProxyMetaSet in the first 28 bytes of `view` says; they are what follows the preamble.
 * @throws {ProtocolError} if it is no ProxyMetaSet
 * @throws {RangeError} if there are fewer than 28 bytes
 */
export function parseProxyMetaSet(view: DataView): ProxyMetaSet {
  // The type and the three bytes of padding, as one number.
  const typeAndPadding = PROXY_TYPE_CODE.ProxyMetaSet * 0x100_0000;
  if (view.getUint32(0) !== META_LENGTH || view.getUint32(4) !== typeAndPadding) {
    throw new ProtocolError("Expected ProxyMetaSet behind the preamble and got something else");
  }
  const proxy = view.getUint32(8);
  if (proxy === 0) throw new ProtocolError("ProxyMetaSet for the ProxyConn 0");
  return { proxy: proxy as ProxyId, ticket: readTicket(view, 12) };
}

/** Size in bytes of StartProxyConnReq and StartProxyConnRsp, with their length fields. */
export const PROXY_FRAME_BYTES = 16;

/** A flag of StartProxyConnReq: the server holds payload back until the client has answered START_ALIVE. */
export const START_ASK = 1;

/** A status of StartProxyConnRsp: the LocalConn stands, and its payload follows. */
export const START_CONNECTED = 0;

/** A status of StartProxyConnRsp: there is no LocalConn, and no payload comes; the session is reset. */
export const START_REFUSED = 1;

/** A status of StartProxyConnRsp, answers START_ASK: go on; START_CONNECTED or START_REFUSED follows. */
export const START_ALIVE = 2;

/** One of START_CONNECTED, START_REFUSED, START_ALIVE. */
export type StartStatus = typeof START_CONNECTED | typeof START_REFUSED | typeof START_ALIVE;

/** What decodeStartReq fills in; make one per Worker with newStartReq and use it again. */
export interface StartReq {
  /** The session that starts. */
  session: SessionNo;
  /** The tunnel of its PublicConn. */
  tunnel: TunnelNo;
  /** Whether START_ASK is set. */
  ask: boolean;
  /** Who its PublicClient is, as `visitorHash` makes it; 0 for unknown. */
  visitor: number;
}

/** What decodeStartRsp fills in; make one per Worker with newStartRsp and use it again. */
export interface StartRsp {
  /** The session that is answered for. */
  session: SessionNo;
  /** What the client says about it. */
  status: StartStatus;
}

// Bytes after the length field: type, u8, u16, u32 session, u32 visitor or reserved.
const LENGTH = PROXY_FRAME_BYTES - 4;

/** A StartReq to decode into; its numbers are 0, which name nothing. */
export function newStartReq(): StartReq {
  return { session: 0 as SessionNo, tunnel: 0 as TunnelNo, ask: false, visitor: 0 };
}

/** A StartRsp to decode into; its session is 0, which names nothing. */
export function newStartRsp(): StartRsp {
  return { session: 0 as SessionNo, status: START_REFUSED };
}

/** Writes StartProxyConnReq into the first 16 bytes of `view`; `flags` is 0 or START_ASK, `visitor` a hash or 0. */
export function encodeStartReq(
  view: DataView,
  session: SessionNo,
  tunnel: TunnelNo,
  flags: number,
  visitor: number,
): void {
  encode(view, PROXY_TYPE_CODE.StartProxyConnReq, flags, tunnel, session, visitor);
}

/** Writes StartProxyConnRsp into the first 16 bytes of `view`. */
export function encodeStartRsp(view: DataView, session: SessionNo, status: StartStatus): void {
  encode(view, PROXY_TYPE_CODE.StartProxyConnRsp, status, 0, session, 0);
}

/**
 * Reads StartProxyConnReq from the first 16 bytes of `view` into `into`.
 * @throws {ProtocolError} if they are something else; `into` is unchanged then
 */
export function decodeStartReq(view: DataView, into: StartReq): void {
  expectFrame(view, PROXY_TYPE_CODE.StartProxyConnReq, "StartProxyConnReq");
  const flags = view.getUint8(5);
  if (flags > START_ASK) throw new ProtocolError(`StartProxyConnReq with unknown flags "${flags}"`);
  const tunnel = view.getUint16(6);
  if (tunnel === 0) throw new ProtocolError("StartProxyConnReq for the tunnel 0");
  into.session = view.getUint32(8) as SessionNo;
  into.tunnel = tunnel as TunnelNo;
  into.ask = flags === START_ASK;
  into.visitor = view.getInt32(12);
}

/**
 * Reads StartProxyConnRsp from the first 16 bytes of `view` into `into`.
 * @throws {ProtocolError} if they are something else; `into` is unchanged then
 */
export function decodeStartRsp(view: DataView, into: StartRsp): void {
  expectFrame(view, PROXY_TYPE_CODE.StartProxyConnRsp, "StartProxyConnRsp");
  const status = view.getUint8(5);
  if (status > START_ALIVE) throw new ProtocolError(`StartProxyConnRsp with unknown status "${status}"`);
  if (view.getUint16(6) !== 0 || view.getUint32(12) !== 0) {
    throw new ProtocolError("StartProxyConnRsp with a reserved field that is not 0");
  }
  into.session = view.getUint32(8) as SessionNo;
  into.status = status as StartStatus;
}

function encode(
  view: DataView,
  code: number,
  small: number,
  middle: number,
  session: number,
  last: number,
): void {
  view.setUint32(0, LENGTH);
  view.setUint8(4, code);
  view.setUint8(5, small);
  view.setUint16(6, middle);
  view.setUint32(8, session);
  view.setInt32(12, last);
}

function expectFrame(view: DataView, code: number, name: string): void {
  if (view.getUint32(0) !== LENGTH || view.getUint8(4) !== code) {
    throw new ProtocolError(`Expected ${name} on a ProxyConn and got something else`);
  }
  if (view.getUint32(8) === 0) throw new ProtocolError(`${name} for the session 0`);
}
