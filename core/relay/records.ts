// The records between Workers: what each asks for and carries. A `send` function writes one, and the `read` function of the
// same name reads it: into one object per kind that the next call fills anew, so that no record makes garbage.
import type { Descriptor } from "../../ffi/descriptor.ts";
import type { ControlId, ProxyId, TunnelNo } from "../protocol/ids.ts";
import { type Ticket, ticketAt } from "../protocol/ticket.ts";
import type { Mailbox } from "../reactor/mailbox.ts";
import type { TunnelRow } from "./counters.ts";

/** What a record asks for: its first word. */
export const RecordKind = {
  /** server acceptor -> relay: see {@linkcode sendPublicConn}. */
  PUBLIC_CONN: 1,
  /** server control -> relay: see {@linkcode sendProxyConn}. */
  PROXY_CONN: 2,
  /** control -> relay: see {@linkcode sendClientUp} and {@linkcode sendServerUp}. */
  CONTROL_UP: 3,
  /** control -> relay: see {@linkcode sendControlLost}. */
  CONTROL_LOST: 4,
  /** server relay -> control, client control -> relay: see {@linkcode sendNeedProxy}. */
  NEED_PROXY: 5,
  /** server control -> acceptor: see `sendListen`. */
  LISTEN: 6,
  /** server control -> acceptor: see `sendUnlisten`. */
  UNLISTEN: 7,
  /** server acceptor -> control: see `sendListening`. */
  LISTENING: 8,
  /** server control -> acceptor: see `sendListenRange`. */
  LISTEN_RANGE: 9,
  /** server acceptor -> control: see `sendUnlistened`. */
  UNLISTENED: 10,
  /** server relay -> control: see {@linkcode sendBadTicket}. */
  BAD_TICKET: 11,
  /** client control -> relay: see {@linkcode sendTunnelPort}. */
  TUNNEL_PORT: 12,
} as const;

/** The control in records of a client, whose Workers know only one. */
export const NO_CONTROL: ControlId = 0 as ControlId;

/** The id in a word: ids are u32 and travel as i32. */
export function idAt<Id extends number>(words: Int32Array, at: number): Id {
  return (words[at] >>> 0) as Id;
}

/** Which {@linkcode RecordKind} the record at `at` has. */
export function kindOf(words: Int32Array, at: number): number {
  return words[at];
}

/** The error for a record that its reader never gets. */
export function strayRecord(words: Int32Array, at: number): Error {
  return new Error(`Record ${words[at]} does not belong here`);
}

/** A PublicConn, accepted. */
export interface PublicConnRecord {
  /** Its socket. */
  fd: Descriptor;
  /** The client that has its tunnel. */
  control: ControlId;
  /** The tunnel, as the client numbers it. */
  tunnel: TunnelNo;
  /** Where the tunnel is counted. */
  row: TunnelRow;
  /** The grant of the client and the public port, as the server's connection counts number them. */
  place: number;
  /** Who it is, as `visitorHash` makes it. */
  visitor: number;
}

const publicConn = {} as PublicConnRecord;

/** Hands a PublicConn to a relay Worker. */
export function sendPublicConn(
  mailbox: Mailbox,
  to: number,
  fd: Descriptor,
  control: ControlId,
  tunnel: TunnelNo,
  row: TunnelRow,
  place: number,
  visitor: number,
): void {
  mailbox.send(to, RecordKind.PUBLIC_CONN, fd, control, tunnel, row, place, visitor);
}

/** Reads what {@linkcode sendPublicConn} has sent. */
export function readPublicConn(words: Int32Array, at: number): Readonly<PublicConnRecord> {
  publicConn.fd = words[at + 1] as Descriptor;
  publicConn.control = idAt(words, at + 2);
  publicConn.tunnel = words[at + 3] as TunnelNo;
  publicConn.row = words[at + 4] as TunnelRow;
  publicConn.place = words[at + 5];
  publicConn.visitor = words[at + 6];
  return publicConn;
}

/** A connection that claims to be a ProxyConn. */
export interface ProxyConnRecord {
  /** Its socket. */
  fd: Descriptor;
  /** The number that it claims. */
  proxy: ProxyId;
  /** The ticket that it shows. */
  ticket: Ticket;
}

const proxyConn = {} as ProxyConnRecord;

/** Hands a connection over whose greeting names that relay Worker. */
export function sendProxyConn(mailbox: Mailbox, to: number, fd: Descriptor, proxy: ProxyId, ticket: Ticket): void {
  mailbox.send(to, RecordKind.PROXY_CONN, fd, proxy, ticket[0], ticket[1], ticket[2], ticket[3]);
}

/** Reads what {@linkcode sendProxyConn} has sent. */
export function readProxyConn(words: Int32Array, at: number): Readonly<ProxyConnRecord> {
  proxyConn.fd = words[at + 1] as Descriptor;
  proxyConn.proxy = idAt(words, at + 2);
  proxyConn.ticket = ticketAt(words, at + 3);
  return proxyConn;
}

/** Hands a connection back whose ticket is wrong. */
export function sendBadTicket(mailbox: Mailbox, to: number, fd: Descriptor): void {
  mailbox.send(to, RecordKind.BAD_TICKET, fd);
}

/** Reads what {@linkcode sendBadTicket} has sent: the socket, which is not watched. */
export function readBadTicket(words: Int32Array, at: number): Descriptor {
  return words[at + 1] as Descriptor;
}

/** On the server: a client has logged in. */
export interface ClientUpRecord {
  /** The client. */
  control: ControlId;
  /** Its grant. */
  grant: number;
  /** How many relay Workers the client has. */
  workers: number;
}

const clientUp = {} as ClientUpRecord;

/** Tells a relay Worker of the server that a client has logged in. */
export function sendClientUp(mailbox: Mailbox, to: number, control: ControlId, grant: number, workers: number): void {
  mailbox.send(to, RecordKind.CONTROL_UP, control, grant, workers);
}

/** Reads what {@linkcode sendClientUp} has sent. */
export function readClientUp(words: Int32Array, at: number): Readonly<ClientUpRecord> {
  clientUp.control = idAt(words, at + 1);
  clientUp.grant = words[at + 2];
  clientUp.workers = words[at + 3];
  return clientUp;
}

/** On the client: it is logged in. */
export interface ServerUpRecord {
  /** Which of the server's resolved addresses it is logged in at. */
  address: number;
  /** The port for ProxyConns there. */
  proxyPort: number;
}

const serverUp = {} as ServerUpRecord;

/** Tells a relay Worker of the client that the client is logged in. */
export function sendServerUp(mailbox: Mailbox, to: number, address: number, proxyPort: number): void {
  mailbox.send(to, RecordKind.CONTROL_UP, address, proxyPort);
}

/** Reads what {@linkcode sendServerUp} has sent. */
export function readServerUp(words: Int32Array, at: number): Readonly<ServerUpRecord> {
  serverUp.address = words[at + 1];
  serverUp.proxyPort = words[at + 2];
  return serverUp;
}

/** Tells a relay Worker that a ctl_conn is gone. */
export function sendControlLost(mailbox: Mailbox, to: number, control: ControlId): void {
  mailbox.send(to, RecordKind.CONTROL_LOST, control);
}

/** Reads what {@linkcode sendControlLost} has sent. */
export function readControlLost(words: Int32Array, at: number): ControlId {
  return idAt(words, at + 1);
}

/** On the client: a tunnel's public port. */
export interface TunnelPortRecord {
  /** The tunnel. */
  tunnel: TunnelNo;
  /** Its port; 0 when it has none any more. */
  port: number;
  /** Whether it is open at the address at which the client has reached the server. */
  here: boolean;
  /** Whether the server is on this very host, and the port open at all of its addresses. */
  onThisHost: boolean;
  /** The one address of this host at which it is open, as words; null when the server is elsewhere, or it is open at all. */
  bound: readonly number[] | null;
}

const tunnelPort = {} as TunnelPortRecord;
const HERE = 1;
const ON_THIS_HOST = 2;
const BOUND = 4;

/** Tells a relay Worker of the client which public port a tunnel has. */
export function sendTunnelPort(mailbox: Mailbox, to: number, record: TunnelPortRecord): void {
  const { tunnel, port, here, onThisHost, bound } = record;
  const [a, b, c, d] = bound ?? [0, 0, 0, 0];
  const flags = (here ? HERE : 0) | (onThisHost ? ON_THIS_HOST : 0) | (bound === null ? 0 : BOUND);
  mailbox.send(to, RecordKind.TUNNEL_PORT, tunnel, port, flags, a, b, c, d);
}

/** Reads what {@linkcode sendTunnelPort} has sent. */
export function readTunnelPort(words: Int32Array, at: number): Readonly<TunnelPortRecord> {
  tunnelPort.tunnel = words[at + 1] as TunnelNo;
  tunnelPort.port = words[at + 2];
  const flags = words[at + 3];
  tunnelPort.here = (flags & HERE) !== 0;
  tunnelPort.onThisHost = (flags & ON_THIS_HOST) !== 0;
  tunnelPort.bound = (flags & BOUND) !== 0 ? [...words.subarray(at + 4, at + 8)] : null;
  return tunnelPort;
}

/** A ProxyConn is asked for, or a notice connection. */
export interface NeedProxyRecord {
  /** The client; {@linkcode NO_CONTROL} on the client. */
  control: ControlId;
  /** The number that it will have. */
  proxy: ProxyId;
  /** The server's relay Worker that asks. */
  worker: number;
  /** Whether it is to be a notice connection. */
  notices: boolean;
  /** What the connection has to show. */
  ticket: Ticket;
}

const needProxy = {} as NeedProxyRecord;

/** Asks for a connection. */
export function sendNeedProxy(
  mailbox: Mailbox,
  to: number,
  control: ControlId,
  proxy: ProxyId,
  worker: number,
  notices: boolean,
  ticket: Ticket,
): void {
  const [a, b, c, d] = ticket;
  mailbox.send(to, RecordKind.NEED_PROXY, control, proxy, worker, notices ? 1 : 0, a, b, c, d);
}

/** Reads what {@linkcode sendNeedProxy} has sent. */
export function readNeedProxy(words: Int32Array, at: number): Readonly<NeedProxyRecord> {
  needProxy.control = idAt(words, at + 1);
  needProxy.proxy = idAt(words, at + 2);
  needProxy.worker = words[at + 3];
  needProxy.notices = words[at + 4] === 1;
  needProxy.ticket = ticketAt(words, at + 5);
  return needProxy;
}
