// Every message of the ctl_conn, as the rest of the program sees it. It must never know how a message looks in bytes.
// Text fields hold no control characters; lengths of text are in UTF-16 code units.

import type { Ticket } from "./ticket.ts";
import type { ControlId, ProxyId, SessionNo, TunnelNo } from "./ids.ts";

/** How a client proves itself: with the shared token, or not at all. */
export type AuthMethod = "token" | "none";

/** What makes CtlMessage a discriminated union. */
export interface Tagged<T extends string> {
  /** The name of the message, in the code and in docs/protocol.md. */
  type: T;
}

/** What a message about a tunnel names it by. */
export interface OfTunnel {
  /** Chosen by the client, unique on its ctl_conn. */
  tunnel: TunnelNo;
}

/** What a message about a session names it by. */
export interface OfSession {
  /** The ProxyConn. */
  proxy: ProxyId;
  /** The session on it. A notice for another session than the present one is kept or ignored, never an error. */
  session: SessionNo;
}

/** client -> server, the first frame of a ctl_conn. JSON. */
export interface NewCtlReq extends Tagged<"NewCtlReq"> {
  /** PROTOCOL_VERSION of the client. Any u32 is well-formed, so that the server can say what it expected. */
  version: number;
  /** 32 random bytes as lower-case hex, new for every ctl_conn. */
  nonce: string;
  /** 16 random bytes as lower-case hex, the same for the life of the client process. */
  instance: string;
  /** Name and version of the client program, 0..64 characters, for the log. */
  program: string;
  /** How many relay Workers the client has, 1..256: the remainder of a ProxyConn's number says which one has it. */
  workers: number;
}

/** server -> client, answers NewCtlReq. JSON. */
export interface NewCtlChallenge extends Tagged<"NewCtlChallenge"> {
  /** PROTOCOL_VERSION of the server, any u32. */
  version: number;
  /** 32 random bytes as lower-case hex, new for every ctl_conn. */
  nonce: string;
  /** What the server demands. A client that has a token gives up when it reads "none". */
  auth: AuthMethod;
}

/** client -> server, answers NewCtlChallenge. JSON. `proof` is 32 bytes as hex with "token", empty with "none". */
export type NewCtlProof =
  | { type: "NewCtlProof"; auth: "token"; proof: string }
  | { type: "NewCtlProof"; auth: "none"; proof: "" };

/** server -> client: the client is logged in. JSON. */
export interface NewCtlAccepted extends Tagged<"NewCtlRsp"> {
  /** Tells the two forms apart. */
  ok: true;
  /** The server's proof, 32 bytes as lower-case hex; empty without a token. */
  proof: string;
  /** Port for ProxyConns, on the host of the ctl_conn, 1..65535. */
  proxy_port: number;
  /** ms of silence after which either end takes the other for dead, 100..86400000. */
  heartbeat_timeout_ms: number;
  /** The server's number for this Control. */
  control: ControlId;
}

/** server -> client: the login failed, and the server closes the ctl_conn. JSON. */
export interface NewCtlRefused extends Tagged<"NewCtlRsp"> {
  /** Tells the two forms apart. */
  ok: false;
  /** For people. Made one line of at most 200 characters by the codec, when sent and when read. */
  reason: string;
}

/** server -> client, ends the login. It may also answer NewCtlReq directly, to refuse. */
export type NewCtlRsp = NewCtlAccepted | NewCtlRefused;

/** Both ways, at any time: what you have sent is malformed, and I close the ctl_conn behind this. JSON. */
export interface CloseCtl extends Tagged<"CloseCtl"> {
  /** For people. Made one line of at most 200 characters by the codec, when sent and when read. */
  reason: string;
}

/** client -> server: please open a public port. JSON. */
export interface NewTunnelReq extends Tagged<"NewTunnelReq">, OfTunnel {
  /** 1..128 characters, for logs and metrics. */
  name: string;
  /** The public port, or 0 for any. */
  remote_port: number;
  /** Address ranges from which PublicClients may connect, such as `192.0.2.0/24`, 64 at most; empty is all. */
  allow: string[];
  /** Address ranges from which PublicClients may not connect, even if `allow` has them; 64 at most. */
  deny: string[];
}

/** server -> client: the public port is open. JSON. */
export interface NewTunnelAccepted extends Tagged<"NewTunnelRsp">, OfTunnel {
  /** Tells the two forms apart. */
  ok: true;
  /** The address that the public port is bound to, 1..255 characters. */
  address: string;
  /** The public port, 1..65535. */
  remote_port: number;
  /** The ranges in force, each in its shortest form; a client that has asked for others must not serve the tunnel. */
  allow: string[];
  /** As `allow`. */
  deny: string[];
}

/** server -> client: no such public port. JSON. */
export interface NewTunnelRefused extends Tagged<"NewTunnelRsp">, OfTunnel {
  /** Tells the two forms apart. */
  ok: false;
  /**
   * The rule of the client's token that refuses it, 0..32 characters; empty when that is not why. `ports` is a rule that
   * will not say anything else as long as the ctl_conn lasts.
   */
  rule: string;
  /** For people. Made one line of at most 200 characters by the codec, when sent and when read. */
  reason: string;
}

/** server -> client, answers NewTunnelReq. */
export type NewTunnelRsp = NewTunnelAccepted | NewTunnelRefused;

/** Both ways: this tunnel takes no new connections; its sessions go on. JSON. */
export interface CloseTunnel extends Tagged<"CloseTunnel">, OfTunnel {
  /** For people. Made one line of at most 200 characters by the codec, when sent and when read. */
  reason: string;
}

/** Both ways: I am alive. Empty body. */
export type Heartbeat = Tagged<"Heartbeat">;

/**
 * server -> client: please connect one more ProxyConn, or notice connection. Binary. It names no tunnel, because a
 * ProxyConn serves any tunnel of its client: StartProxyConnReq names it, session by session.
 */
export interface NotifyClientNeedProxy extends Tagged<"NotifyClientNeedProxy"> {
  /** Relay Worker of the server that waits for it, 0..255; goes into the preamble. */
  worker: number;
  /** Whether it is to be a notice connection. */
  notices: boolean;
  /** The number of the connection to come. */
  proxy: ProxyId;
  /** 16 random bytes, good for one connection. */
  ticket: Ticket;
}

/** Both ways: the sender's endpoint ended, after `total` bytes that are all written to the ProxyConn. Binary. */
export interface NotifyProxyShutdownPeerConn extends Tagged<"NotifyProxyShutdownPeerConn">, OfSession {
  /** Bytes of this direction in this session, 0..2^53-1. */
  total: number;
}

/** client -> server: this session is finished on the client's side. Binary. */
export type FreeProxyConnReq = Tagged<"FreeProxyConnReq"> & OfSession;

/**
 * Both ways: the session failed on the sender's side, which has written `total` bytes of its endpoint to the ProxyConn and
 * writes no more. Binary.
 */
export interface ResetSession extends Tagged<"ResetSession">, OfSession {
  /** Bytes of this direction in this session, 0..2^53-1. */
  total: number;
}

/** The messages whose bodies are JSON: rare ones. */
export type JsonMessage =
  | NewCtlReq
  | NewCtlChallenge
  | NewCtlProof
  | NewCtlRsp
  | CloseCtl
  | NewTunnelReq
  | NewTunnelRsp
  | CloseTunnel;

/** A message about one session, on a notice connection. */
export type Notice = NotifyProxyShutdownPeerConn | FreeProxyConnReq | ResetSession;

/** The messages whose bodies have a fixed binary layout: frequent ones. */
export type BinaryMessage = Heartbeat | NotifyClientNeedProxy | Notice;

/** Everything that travels on a ctl_conn. */
export type CtlMessage = JsonMessage | Heartbeat | NotifyClientNeedProxy;
