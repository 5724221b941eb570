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
  /** Address ranges from which PublicClients may connect; empty is all. */
  readonly allow: readonly string[];
  /** Address ranges from which PublicClients may not connect. */
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

/** One tunnel, as the relay Workers need it. */
export interface LocalConfig {
  /** Its name. */
  readonly name: string;
  /** Its LocalServer, for people. */
  readonly local: string;
  /** The LocalServer's addresses; null for a host name. */
  readonly fixed: readonly PostedAddress[] | null;
}

/** For a relay Worker. */
export interface RelayConfig {
  /** Its number among the relay Workers, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly relays: number;
  /** The tunnels. */
  readonly locals: readonly LocalConfig[];
  /** Memory of the counters, which have one row more than there are tunnels. */
  readonly counters: SharedArrayBuffer;
  /** Memory of the LoopTable. */
  readonly loopTable: SharedArrayBuffer;
  /**
   * Memory with a word for each kind of line that the relay Workers write once a minute in all, see {@linkcode
   * lineWord}.
   */
  readonly lineMinutes: SharedArrayBuffer;
  /** What may wait in one direction of a connection, in bytes; null for what the kernel chooses. */
  readonly bufferLimit: number | null;
  /** Ms for which a half-closed session may stand still; 0 for ever. */
  readonly halfCloseTimeoutMs: number;
  /** Pipes that this Worker may have at a time. */
  readonly pipes: number;
  /** ProxyConns that this Worker may have at a time, each of which may need a LocalConn. */
  readonly proxyConns: number;
}

/** Kinds of lines about a tunnel. */
const LINES_OF_TUNNEL = 2;

/** The memory for {@linkcode RelayConfig.lineMinutes}. */
export function allocateLineMinutes(tunnels: number): SharedArrayBuffer {
  return new SharedArrayBuffer((1 + tunnels * LINES_OF_TUNNEL) * Int32Array.BYTES_PER_ELEMENT);
}

/**
 * The word of a kind of line.
 *
 * @param place The tunnel's place in the list of tunnels, or -1 for the line about the proxy_port.
 * @param kind Which line about the tunnel.
 */
export function lineWord(place: number, kind: "unreachable" | "loop" = "unreachable"): number {
  return place < 0 ? 0 : 1 + place * LINES_OF_TUNNEL + (kind === "loop" ? 1 : 0);
}

/**
 * Where a tunnel is counted.
 *
 * @param tunnel Its number on the wire, or 0 for one that a server names and that is not there.
 */
export function rowOfTunnel(tunnel: number): TunnelRow {
  return tunnel as TunnelRow;
}

/** A Worker asks the supervisor what a host name means now. */
export type ResolveReport =
  | { readonly kind: "resolve-server" }
  | { readonly kind: "resolve-local"; /** The tunnel's place in the list of tunnels. */ readonly tunnel: number };

/** An address as it is posted: messages are JSON, so it is the numbers of its bytes. */
export type PostedAddress = readonly number[];

/**
 * The supervisor's answer. That about the server goes to the relay Workers, and then to the control Worker; that about a
 * LocalServer to all relay Workers.
 */
export interface ResolvedMessage {
  /**
   * Whose addresses these are: the server's ctl_port, its port for data where that has another address, or the
   * LocalServer of the tunnel with this place in the list.
   */
  readonly kind: "server" | "proxy-server" | number;
  /** The addresses in the order to try; empty when the name has never resolved. */
  readonly addresses: readonly PostedAddress[];
  /** Why they are from before, or why there are none; empty when they are new. */
  readonly reason: string;
  /** False when no name server answered. */
  readonly answered: boolean;
}

/** Makes addresses fit to be posted. */
export function postedAddresses(addresses: readonly SocketAddress[]): PostedAddress[] {
  return addresses.map(({ bytes }) => [...bytes]);
}

/** Reads what {@linkcode postedAddresses} has made. */
export function addressesOf(posted: readonly PostedAddress[]): SocketAddress[] {
  return posted.map((bytes) => storedAddress(new Uint8Array(bytes)));
}
