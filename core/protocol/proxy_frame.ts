// The frames of an idle ProxyConn, 16 bytes each, in place and without allocation: they start every session.
// It must never know JSON or the ctl_conn: relay Workers import it, and nothing heavier.
//
// A fixed size is the point: the reader takes exactly PROXY_FRAME_BYTES, and the payload right behind them stays in the
// socket for splice(2). What is not such a frame is payload out of place, so reserved fields are checked to be 0.

import type { SessionNo, TunnelNo } from "./ids.ts";
import { ProtocolError } from "./protocol_error.ts";
import { PROXY_TYPE_CODE } from "./wire.ts";

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
}

/** What decodeStartRsp fills in; make one per Worker with newStartRsp and use it again. */
export interface StartRsp {
  /** The session that is answered for. */
  session: SessionNo;
  /** What the client says about it. */
  status: StartStatus;
}

// Bytes after the length field: type, u8, u16, u32 session, u32 reserved.
const LENGTH = PROXY_FRAME_BYTES - 4;

/** A StartReq to decode into; its numbers are 0, which name nothing. */
export function newStartReq(): StartReq {
  return { session: 0 as SessionNo, tunnel: 0 as TunnelNo, ask: false };
}

/** A StartRsp to decode into; its session is 0, which names nothing. */
export function newStartRsp(): StartRsp {
  return { session: 0 as SessionNo, status: START_REFUSED };
}

/** Writes StartProxyConnReq into the first 16 bytes of `view`; `flags` is 0 or START_ASK. */
export function encodeStartReq(view: DataView, session: SessionNo, tunnel: TunnelNo, flags: number): void {
  encode(view, PROXY_TYPE_CODE.StartProxyConnReq, flags, tunnel, session);
}

/** Writes StartProxyConnRsp into the first 16 bytes of `view`. */
export function encodeStartRsp(view: DataView, session: SessionNo, status: StartStatus): void {
  encode(view, PROXY_TYPE_CODE.StartProxyConnRsp, status, 0, session);
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
}

/**
 * Reads StartProxyConnRsp from the first 16 bytes of `view` into `into`.
 * @throws {ProtocolError} if they are something else; `into` is unchanged then
 */
export function decodeStartRsp(view: DataView, into: StartRsp): void {
  expectFrame(view, PROXY_TYPE_CODE.StartProxyConnRsp, "StartProxyConnRsp");
  const status = view.getUint8(5);
  if (status > START_ALIVE) throw new ProtocolError(`StartProxyConnRsp with unknown status "${status}"`);
  if (view.getUint16(6) !== 0) throw new ProtocolError("StartProxyConnRsp with a reserved field that is not 0");
  into.session = view.getUint32(8) as SessionNo;
  into.status = status as StartStatus;
}

function encode(view: DataView, code: number, small: number, middle: number, session: number): void {
  view.setUint32(0, LENGTH);
  view.setUint8(4, code);
  view.setUint8(5, small);
  view.setUint16(6, middle);
  view.setUint32(8, session);
  view.setUint32(12, 0);
}

function expectFrame(view: DataView, code: number, name: string): void {
  if (view.getUint32(0) !== LENGTH || view.getUint8(4) !== code) {
    throw new ProtocolError(`Expected ${name} on a ProxyConn and got something else`);
  }
  if (view.getUint32(8) === 0) throw new ProtocolError(`${name} for the session 0`);
  if (view.getUint32(12) !== 0) throw new ProtocolError(`${name} with a reserved field that is not 0`);
}
