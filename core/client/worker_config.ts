// What the supervisor tells the client's Workers, and the numbers by which they know each other.
import { type SocketAddress, storedAddress } from "../../ffi/socket_address.ts";
import type { TunnelRow } from "../relay/counters.ts";

/** The control Worker's number. */
export const CONTROL = 0;
/** The first relay Worker's number; the others follow. */
export const FIRST_RELAY = 1;

/** One tunnel, as the control Worker needs it. Its number on the wire is its place in the list plus 1. */
export interface TunnelPlan {
  /** Its name. */
  readonly name: string;
  /** The public port to ask for; 0 leaves the choice to the server. */
  readonly remotePort: number;
  /** Address ranges whose PublicClients are taken; empty is everybody's. */
  readonly allow: readonly string[];
  /** Address ranges whose PublicClients are not taken. */
  readonly deny: readonly string[];
  /** Its LocalServer, for people. */
  readonly local: string;
}

/** For the control Worker. */
export interface ControlConfig {
  /** The server's ctl_port, for people. */
  readonly server: string;
  /** The server's host as the user wrote it, for public addresses. */
  readonly serverHost: string;
  /** Name and version, for the server's log. */
  readonly program: string;
  /** The tunnels. */
  readonly tunnels: readonly TunnelPlan[];
  /** How many relay Workers there are. */
  readonly relays: number;
  /** The shared secret, or null. */
  readonly token: string | null;
  /** Ms between heartbeats. */
  readonly heartbeatIntervalMs: number;
  /** Ms of silence after which the server counts as dead. */
  readonly heartbeatTimeoutMs: number;
}

/** For a relay Worker. */
export interface RelayConfig {
  /** Which of them it is, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly relays: number;
  /** How many tunnels there are. */
  readonly tunnels: number;
  /** Memory of the counters, which have one row more than there are tunnels. */
  readonly counters: SharedArrayBuffer;
  /** Ms for which a half-closed session may stand still; 0 for ever. */
  readonly halfCloseTimeoutMs: number;
  /** Pipes that this Worker may have at a time. */
  readonly pipes: number;
  /** ProxyConns that this Worker may have at a time, each of which may need a LocalConn. */
  readonly proxyConns: number;
}

/**
 * Where a tunnel is counted.
 *
 * @param tunnel Its number on the wire, or 0 for one that a server names and that is not there.
 */
export function rowOfTunnel(tunnel: number): TunnelRow {
  return tunnel as TunnelRow;
}

/** The control Worker asks the supervisor to resolve all host names again. */
export interface ResolveReport {
  /** Tells reports apart. */
  readonly kind: "resolve";
}

/** The supervisor's answer; relay Workers get it before the control Worker. */
export interface Resolved {
  /** Addresses of the server's ctl_port, in the order to try; empty when its name has never resolved. */
  readonly server: readonly SocketAddress[];
  /** Why they are from before, or why there are none; empty when they are new. */
  readonly reason: string;
  /** False when nobody was there to say what the server's name means. */
  readonly answered: boolean;
  /** Addresses of each tunnel's LocalServer, in the order to try. */
  readonly locals: readonly (readonly SocketAddress[])[];
}

/** {@linkcode Resolved} as it is posted: messages are JSON, so an address is the numbers of its bytes. */
export interface ResolvedMessage extends Omit<Resolved, "server" | "locals"> {
  /** As in {@linkcode Resolved}. */
  readonly server: readonly number[][];
  /** As in {@linkcode Resolved}. */
  readonly locals: readonly number[][][];
}

/** Makes what the supervisor posts. */
export function resolvedMessage(resolved: Resolved): ResolvedMessage {
  const numbers = (addresses: readonly SocketAddress[]) => addresses.map(({ bytes }) => [...bytes]);
  return { ...resolved, server: numbers(resolved.server), locals: resolved.locals.map(numbers) };
}

/** Reads what the supervisor has posted. */
export function resolvedOf(message: ResolvedMessage): Resolved {
  const addresses = (numbers: readonly number[][]) => numbers.map((bytes) => storedAddress(new Uint8Array(bytes)));
  return { ...message, server: addresses(message.server), locals: message.locals.map(addresses) };
}
