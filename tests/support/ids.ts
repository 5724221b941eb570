// Numbers of the wire as tests write them: checked, and each of its type.

import type { ControlId, ProxyId, SessionNo, TunnelNo } from "../../core/protocol/ids.ts";

const MAX_U16 = 0xffff;
const MAX_U32 = 0xffff_ffff;

function checked(value: number, max: number, what: string): number {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new RangeError(`A ${what} is a whole number from 1 to ${max}, not "${value}"`);
  }
  return value;
}

/**
 * `value` as a ProxyId.
 * @throws {RangeError} outside 1..2^32-1
 */
export function proxyId(value: number): ProxyId {
  return checked(value, MAX_U32, "ProxyId") as ProxyId;
}

/**
 * `value` as a SessionNo.
 * @throws {RangeError} outside 1..2^32-1
 */
export function sessionNo(value: number): SessionNo {
  return checked(value, MAX_U32, "SessionNo") as SessionNo;
}

/**
 * `value` as a TunnelNo.
 * @throws {RangeError} outside 1..65535
 */
export function tunnelNo(value: number): TunnelNo {
  return checked(value, MAX_U16, "TunnelNo") as TunnelNo;
}

/**
 * `value` as a ControlId.
 * @throws {RangeError} outside 1..2^32-1
 */
export function controlId(value: number): ControlId {
  return checked(value, MAX_U32, "ControlId") as ControlId;
}
