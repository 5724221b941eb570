// How a ProxyConn begins: the preamble, by which the server's control Worker finds the relay Worker, and ProxyMetaSet,
// which that one checks. It must never know who asked for the connection.

import { MAX_WORKER } from "./binary_body.ts";
import type { ProxyId } from "./ids.ts";
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
