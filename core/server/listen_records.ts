// The records between the server's control and acceptor Workers, about public ports. They are rare: what is read is a new
// object.
import type { ControlId, TunnelNo } from "../protocol/ids.ts";
import type { Mailbox } from "../reactor/mailbox.ts";
import type { TunnelRow } from "../relay/counters.ts";
import { idAt, RecordKind } from "../relay/records.ts";

/** A tunnel's public port. */
export interface ListenRecord {
  /** The tunnel, as the server numbers it. */
  readonly tunnelId: number;
  /** Its client. */
  readonly control: ControlId;
  /** The tunnel, as the client numbers it. */
  readonly tunnel: TunnelNo;
  /** Where it is counted. */
  readonly row: TunnelRow;
  /** The grant of the client. */
  readonly grant: number;
  /** The port; 0 is any. */
  readonly port: number;
}

/** Has the acceptor Worker listen. */
export function sendListen(mailbox: Mailbox, to: number, listen: ListenRecord): void {
  const { tunnelId, control, tunnel, row, grant, port } = listen;
  mailbox.send(to, RecordKind.LISTEN, tunnelId, control, tunnel, row, grant, port);
}

/** Reads what {@linkcode sendListen} has sent; the object is new. */
export function readListen(words: Int32Array, at: number): ListenRecord {
  return {
    tunnelId: idAt(words, at + 1),
    control: idAt(words, at + 2),
    tunnel: words[at + 3] as TunnelNo,
    row: words[at + 4] as TunnelRow,
    grant: words[at + 5],
    port: words[at + 6],
  };
}

/** A range of addresses for the LISTEN to come. */
export interface ListenRangeRecord {
  /** The tunnel, as the server numbers it. */
  readonly tunnelId: number;
  /** Whether it belongs to `deny`; else to `allow`. */
  readonly denies: boolean;
  /** How many bits of `ip` count. */
  readonly bits: number;
  /** The address as four i32 words. */
  readonly ip: readonly [number, number, number, number];
}

/** Tells the acceptor Worker which visitors may come to a port, before it listens there. */
export function sendListenRange(mailbox: Mailbox, to: number, range: ListenRangeRecord): void {
  const { tunnelId, denies, bits, ip: [a, b, c, d] } = range;
  mailbox.send(to, RecordKind.LISTEN_RANGE, tunnelId, denies ? 1 : 0, bits, a, b, c, d);
}

/** Reads what {@linkcode sendListenRange} has sent; the object is new. */
export function readListenRange(words: Int32Array, at: number): ListenRangeRecord {
  const ip = [words[at + 4], words[at + 5], words[at + 6], words[at + 7]] as const;
  return { tunnelId: idAt(words, at + 1), denies: words[at + 2] === 1, bits: words[at + 3], ip };
}

/** Has the acceptor Worker close a public port. */
export function sendUnlisten(mailbox: Mailbox, to: number, tunnelId: number): void {
  mailbox.send(to, RecordKind.UNLISTEN, tunnelId);
}

/** Reads what {@linkcode sendUnlisten} or {@linkcode sendUnlistened} has sent: the tunnel, as the server numbers it. */
export function readUnlisten(words: Int32Array, at: number): number {
  return idAt(words, at + 1);
}

/** Tells the control Worker that a public port is closed. */
export function sendUnlistened(mailbox: Mailbox, to: number, tunnelId: number): void {
  mailbox.send(to, RecordKind.UNLISTENED, tunnelId);
}

/** How a LISTEN went. */
export interface ListeningRecord {
  /** The tunnel, as the server numbers it. */
  readonly tunnelId: number;
  /** The port that was opened, or was to be. */
  readonly port: number;
  /** 0 when it is open, else the errno. */
  readonly code: number;
}

/** Tells the control Worker how a LISTEN went. */
export function sendListening(mailbox: Mailbox, to: number, tunnelId: number, port: number, code: number): void {
  mailbox.send(to, RecordKind.LISTENING, tunnelId, port, code);
}

/** Reads what {@linkcode sendListening} has sent; the object is new. */
export function readListening(words: Int32Array, at: number): ListeningRecord {
  return { tunnelId: idAt(words, at + 1), port: words[at + 2], code: words[at + 3] };
}
