// A Control: the server's record of one client that has logged in, with its tunnels.
import type { AddressRange } from "../../protocol/address_range.ts";
import type { ControlId, TunnelNo } from "../../protocol/ids.ts";
import type { CtlConn } from "../../protocol/ctl_conn.ts";
import type { Grant } from "../policy/grant.ts";
import type { OwnedRow } from "./tunnel_rows.ts";

/** One public port of one client. */
export interface Tunnel {
  /** The server's number for it, unique in this process. */
  readonly id: number;
  /** Where it is counted. */
  readonly row: OwnedRow;
  /** The client's number for it. */
  readonly no: TunnelNo;
  /** For people. */
  readonly name: string;
  /** The public port: as asked for until it is open, then as opened. */
  port: number;
  /** Whether the port is open. */
  open: boolean;
  /** Other ports to try when this one cannot be opened; null when none other will do. */
  readonly choices: Iterator<number, undefined> | null;
  /** Address ranges from which PublicClients may connect; empty is all. */
  readonly allow: readonly AddressRange[];
  /** Address ranges from which PublicClients may not connect. */
  readonly deny: readonly AddressRange[];
}

/** One client. */
export interface Control {
  /** The server's number for it. */
  readonly id: ControlId;
  /** Its connection. */
  readonly conn: CtlConn;
  /** What its token grants. */
  readonly grant: Grant;
  /** Tells a client that returns. */
  readonly instance: string;
  /** How many relay Workers it has. */
  readonly workers: number;
  /** Where it connected from, for people. */
  readonly address: string;
  /** Its TunnelMap. */
  readonly tunnels: Map<TunnelNo, Tunnel>;
}

/**
 * Names a client for as long as its process lives: a client with another token is another one, whatever instance it
 * claims.
 */
export function keyOf({ id }: Grant, instance: string): string {
  return `${id} ${instance}`;
}
