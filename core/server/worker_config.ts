// What the supervisor tells the server's Workers at start, and the numbers by which they know each other.
import type { Descriptor } from "../../ffi/descriptor.ts";
import type { SocketAddress } from "../../ffi/socket_address.ts";
import type { Grant } from "./policy/grant.ts";
import type { ShareRules } from "./token_shares.ts";

/** The control Worker's number. */
export const CONTROL = 0;
/** The acceptor Worker's number. */
export const ACCEPTOR = 1;
/** The first relay Worker's number; the others follow. */
export const FIRST_RELAY = 2;
/** Tunnels that a server takes, including closed tunnels whose sessions go on. */
export const MOST_TUNNELS = 65_535;

/** For the control Worker. */
export interface ControlConfig {
  /** What may wait in one direction of a connection, in bytes; null for what the kernel chooses. */
  readonly bufferLimit: number | null;
  /** Listens for ctl_conns. */
  readonly ctlListener: Descriptor;
  /** Listens for ProxyConns. */
  readonly proxyListener: Descriptor;
  /** The port that clients log in to. */
  readonly ctlPort: number;
  /** The port that clients are told for ProxyConns. */
  readonly proxyPort: number;
  /** The port that clients are told for ProxyConns: another one, where it is forwarded. */
  readonly toldProxyPort: number;
  /** How many relay Workers there are. */
  readonly relays: number;
  /** Memory of the counters. */
  readonly counters: SharedArrayBuffer;
  /** Memory of the connection counts. */
  readonly counts: SharedArrayBuffer;
  /** What each grant may hold. */
  readonly shares: ShareRules;
  /** The tokens and what each grants. */
  readonly grants: readonly Grant[];
  /** Connections that have not logged in: most in all, 1 up. */
  readonly maxUnauthenticated: number;
  /** Most of one address, 1 up. */
  readonly maxUnauthenticatedPerAddress: number;
  /** Ms between heartbeats. */
  readonly heartbeatIntervalMs: number;
  /** Ms of silence after which a client counts as dead. */
  readonly heartbeatTimeoutMs: number;
  /** Ms for which the ports of a client that was lost are kept for it; 0 keeps none. */
  readonly portHoldMs: number;
}

/** What the acceptor Worker knows of a grant. */
export interface PortRules extends Pick<Grant, "name" | "maxTunnels" | "maxConnections" | "maxConnectionsPerTunnel"> {
  /** Where its public ports are opened; the port of this does not count. */
  readonly bind: SocketAddress;
}

/** For the acceptor Worker. */
export interface AcceptorConfig {
  /** What may wait in one direction of a connection, in bytes; null for what the kernel chooses. */
  readonly bufferLimit: number | null;
  /** The rules of each grant, by its id. */
  readonly rules: readonly PortRules[];
  /** The most connections at a time on all public ports, or null. */
  readonly maxConnections: number | null;
  /** Memory of the connection counts. */
  readonly counts: SharedArrayBuffer;
  /** What each grant may hold. */
  readonly shares: ShareRules;
  /** Address ranges from which PublicClients may connect to any public port; empty is all. */
  readonly allow: readonly string[];
  /** Address ranges from which PublicClients may not connect to any public port. */
  readonly deny: readonly string[];
  /** How many relay Workers there are. */
  readonly relays: number;
  /** Idle ProxyConns that a client has in all. */
  readonly poolCount: number;
  /** Memory of the ClientLoads. */
  readonly loads: SharedArrayBuffer;
  /** Descriptors in use with which there is room for no connection more. */
  readonly full: number;
  /** Memory of the WaitingRoom. */
  readonly waitingRoom: SharedArrayBuffer;
}

/** For a relay Worker. */
export interface RelayConfig {
  /** Its number among the relay Workers, from 0. */
  readonly index: number;
  /** How many there are. */
  readonly relays: number;
  /** Memory of the relay counters. */
  readonly counters: SharedArrayBuffer;
  /** How many grants there are. */
  readonly grants: number;
  /** Memory of the connection counts. */
  readonly counts: SharedArrayBuffer;
  /** What each grant may hold. */
  readonly shares: ShareRules;
  /** What may wait in one direction of a connection, in bytes; null for what the kernel chooses. */
  readonly bufferLimit: number | null;
  /** Ms for which a half-closed session may stand still; 0 for ever. */
  readonly halfCloseTimeoutMs: number;
  /** Idle ProxyConns that all relay Workers together keep ready for each client. */
  readonly poolCount: number;
  /** Memory of the ClientLoads. */
  readonly loads: SharedArrayBuffer;
  /** Pipes that this Worker may have at a time. */
  readonly pipes: number;
  /** Memory of the WaitingRoom. */
  readonly waitingRoom: SharedArrayBuffer;
}
