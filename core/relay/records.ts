// The records between Workers, by their first word. Layouts are words of a ring record after it.
// Numbers from the wire (ids, session numbers) are u32 and travel as i32: read them back with `>>> 0`.

/** What a record asks for. */
export const Record = {
  /** server acceptor -> relay: a PublicConn. [fd, control, tunnel no, row, grant] */
  PUBLIC_CONN: 1,
  /** server control -> relay: a connection whose greeting names this Worker. [fd, proxy, ticket x 4] */
  PROXY_CONN: 2,
  /** server control -> relay: a client has logged in. [control, grant] */
  CONTROL_UP: 3,
  /** control -> relay: the ctl_conn is gone. server: [control]; client: [] */
  CONTROL_LOST: 4,
  /** server relay -> control: [control, proxy, ticket x 4]; client control -> relay: [proxy, worker, ticket x 4] */
  NEED_PROXY: 5,
  /** relay <-> control: [control, proxy, session, total high, total low]; control is 0 on the client */
  SHUTDOWN_PEER: 6,
  /** client relay -> control -> ... -> server relay: [control, proxy, session]; control is 0 on the client */
  FREE_PROXY: 7,
  /** relay <-> control: [control, proxy, session]; control is 0 on the client */
  RESET_SESSION: 8,
  /** server control -> acceptor: listen. [tunnel id, control, tunnel no, row, grant, port] */
  LISTEN: 9,
  /** server control -> acceptor: close a listener. [tunnel id] */
  UNLISTEN: 10,
  /** server acceptor -> control: how a LISTEN went. [tunnel id, port, errno] */
  LISTENING: 11,
  /** server control -> acceptor: a range for the LISTEN to come. [tunnel id, 1 for deny and 0 for allow, bits, ip x 4] */
  LISTEN_RANGE: 12,
} as const;

const HIGH = 2 ** 32;

/** The upper 32 bits of a byte count up to 2^53. */
export function highWord(total: number): number {
  return Math.floor(total / HIGH) | 0;
}

/** The lower 32 bits of a byte count, as i32. */
export function lowWord(total: number): number {
  return (total % HIGH) | 0;
}

/** The byte count of two words. */
export function joinWords(high: number, low: number): number {
  return (high >>> 0) * HIGH + (low >>> 0);
}
