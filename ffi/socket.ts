// Stream sockets: opening, accepting, connecting, options, and ends. Results are values from 0 up or negated errnos.
import type { Descriptor } from "./descriptor.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { Family, readIp, type SocketAddress, storedAddress } from "./socket_address.ts";

const SOCK_STREAM = 1;
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_TYPE = 3;
const SO_ERROR = 4;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;
const SO_KEEPALIVE = 9;
const SO_OOBINLINE = 10;
const SO_LINGER = 13;
const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_KEEPINTVL = 5;
const TCP_KEEPCNT = 6;
const TCP_DEFER_ACCEPT = 9;
const TCP_CONGESTION = 13;
const TCP_RTO_MAX_MS = 44;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const SHUT_RD = 0;
const SHUT_WR = 1;
const MSG_PEEK = 2;
const MSG_TRUNC = 0x20;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const MSG_MORE = 0x8000;
const SIOCOUTQ = 0x5411;
const SIOCOUTQNSD = 0x894b;
const MAX_ADDRESS = 128;
/** Bytes of the name of a congestion control, with its final zero (TCP_CA_NAME_MAX). */
const MAX_CONTROL_NAME = 16;

// scratch memory of this Worker, reused by every call: nothing is allocated per connection
const integer = new Int32Array(1);
const lingerNow = new Int32Array([1, 0]);
const lingerOff = new Int32Array([0, 0]);
const addressBytes = new Uint8Array(MAX_ADDRESS);
const addressLength = new Int32Array(1);
/** Nothing is ever written here: the kernel wants room for what it throws away. */
const discarded = new Uint8Array(1 << 16);

/**
 * Opens a non-blocking stream socket.
 *
 * @param family One of {@linkcode Family}.
 * @returns Its descriptor, or a negated errno.
 */
export function openSocket(family: number): Descriptor | number {
  const result = libc.socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return result < 0 ? -errno[0] : result;
}

/**
 * Opens a listening socket with SO_REUSEADDR; one bound to `::` takes IPv4 as well.
 *
 * @param address Where to listen.
 * @param backlog How many connections may wait for accept, 1 up (the kernel caps it at net.core.somaxconn).
 * @returns Its descriptor, or a negated errno: EADDRINUSE, EACCES, EADDRNOTAVAIL, EMFILE and others.
 */
export function listenOn(address: SocketAddress, backlog = 4096): Descriptor | number {
  const fd = openSocket(address.family);
  if (fd < 0) return fd;
  setOption(fd as Descriptor, SOL_SOCKET, SO_REUSEADDR, 1);
  if (address.family === Family.INET6) setOption(fd as Descriptor, IPPROTO_IPV6, IPV6_V6ONLY, 0);
  let result = libc.bind(fd, address.bytes, address.bytes.length);
  if (result === 0) result = libc.listen(fd, backlog);
  if (result === 0) return fd;
  const code = errno[0];
  libc.close(fd);
  return -code;
}

/**
 * Accepts one connection, non-blocking and close-on-exec. {@linkcode lastAddress} then tells the peer's address.
 *
 * @param listener A listening socket.
 * @returns The connection, or a negated errno: EAGAIN when none waits, EMFILE, ECONNABORTED and others.
 */
export function accept(listener: Descriptor): Descriptor | number {
  addressLength[0] = MAX_ADDRESS;
  const result = libc.accept4(listener, addressBytes, addressLength, SOCK_NONBLOCK | SOCK_CLOEXEC);
  return result < 0 ? -errno[0] : result;
}

/**
 * Begins to connect.
 *
 * @param fd A socket of the address's family.
 * @param address The peer.
 * @returns 0 when connected at once (unix), or a negated errno: EINPROGRESS is the normal answer for TCP.
 */
export function connect(fd: Descriptor, address: SocketAddress): number {
  const result = libc.connect(fd, address.bytes, address.bytes.length);
  return result < 0 ? -errno[0] : result;
}

/** A copy of the address that {@linkcode accept} just stored. */
export function lastAddress(): SocketAddress {
  const length = Math.min(Math.max(addressLength[0], 2), MAX_ADDRESS);
  return storedAddress(addressBytes.slice(0, length));
}

/**
 * The IP that {@linkcode accept} or {@linkcode findLocalAddress} just stored, as `readIp` writes it; nothing is
 * allocated.
 */
export function readLastIp(ip: Int32Array): void {
  readIp(addressBytes, ip);
}

/** The port that {@linkcode accept} or {@linkcode findLocalAddress} just stored. */
export function lastPort(): number {
  return (addressBytes[2] << 8) | addressBytes[3];
}

/** Stores the local address of an IP socket for {@linkcode readLastIp} and {@linkcode lastPort}; false if it has none. */
export function findLocalAddress(fd: Descriptor): boolean {
  addressLength[0] = MAX_ADDRESS;
  return libc.getsockname(fd, addressBytes, addressLength) === 0;
}

/** The local address of a socket, or null when it has none. */
export function localAddress(fd: Descriptor): SocketAddress | null {
  addressLength[0] = MAX_ADDRESS;
  return libc.getsockname(fd, addressBytes, addressLength) < 0 ? null : lastAddress();
}

/** The peer's address of a connected socket, or null when it is not connected. */
export function peerAddress(fd: Descriptor): SocketAddress | null {
  addressLength[0] = MAX_ADDRESS;
  return libc.getpeername(fd, addressBytes, addressLength) < 0 ? null : lastAddress();
}

/** Whether a descriptor is a socket. */
export function isSocket(fd: Descriptor): boolean {
  addressLength[0] = 4;
  return libc.getsockopt(fd, SOL_SOCKET, SO_TYPE, integer, addressLength) === 0;
}

/**
 * Takes the pending error of a socket, such as the outcome of a connect. It clears it: on a connection with payload,
 * read until the error shows there instead, or a reset will look like a clean end.
 *
 * @param fd The socket.
 * @returns 0, or a positive errno.
 */
export function takeSocketError(fd: Descriptor): number {
  addressLength[0] = 4;
  integer[0] = 0;
  const result = libc.getsockopt(fd, SOL_SOCKET, SO_ERROR, integer, addressLength);
  return result < 0 ? errno[0] : integer[0];
}

/**
 * Reads bytes that stay in the socket, to be read again.
 *
 * @param fd The socket.
 * @param room Where to put them, 1 byte or more.
 * @returns How many are there for it, 0 at the end of the stream, or a negated errno.
 */
export function peek(fd: Descriptor, room: Uint8Array): number {
  const result = libc.recv(fd, room, room.length, MSG_DONTWAIT | MSG_PEEK);
  return result < 0 ? -errno[0] : result;
}

/**
 * Receives bytes of a control frame; payload only where there is no pipe for it.
 *
 * @param fd The socket.
 * @param room Where to put them, 1 byte or more.
 * @returns How many came, 0 at the end of the stream, or a negated errno.
 */
export function receive(fd: Descriptor, room: Uint8Array): number {
  const result = libc.recv(fd, room, room.length, MSG_DONTWAIT);
  return result < 0 ? -errno[0] : result;
}

/**
 * Takes bytes of a TCP socket and throws them away; none is copied (MSG_TRUNC, tcp(7)).
 *
 * @param fd The socket.
 * @param most How many at most, 1 up; fewer may be taken although there are more.
 * @returns How many were taken, 0 at the end of the stream, or a negated errno.
 */
export function discard(fd: Descriptor, most: number): number {
  const result = libc.recv(fd, discarded, Math.min(most, discarded.length), MSG_DONTWAIT | MSG_TRUNC);
  return result < 0 ? -errno[0] : result;
}

/**
 * Sends bytes of a control frame; payload only where there is no pipe for it.
 *
 * @param fd The socket.
 * @param bytes What to send.
 * @param more True when payload follows at once: both then share a segment (MSG_MORE, send(2)).
 * @returns How many were taken, or a negated errno.
 */
export function send(fd: Descriptor, bytes: Uint8Array, more = false): number {
  const result = libc.send(fd, bytes, bytes.length, MSG_DONTWAIT | MSG_NOSIGNAL | (more ? MSG_MORE : 0));
  return result < 0 ? -errno[0] : result;
}

/**
 * Ends the writing direction: the peer reads the end of the stream after everything sent before.
 *
 * @param fd The socket.
 * @returns 0, or a negated errno (ENOTCONN when the peer has reset it).
 */
export function shutdownWrite(fd: Descriptor): number {
  const result = libc.shutdown(fd, SHUT_WR);
  return result < 0 ? -errno[0] : result;
}

/** Ends the reading direction for this end alone: behind what has come already, a read finds the end of the stream. */
export function shutdownRead(fd: Descriptor): void {
  libc.shutdown(fd, SHUT_RD);
}

/**
 * How many of the bytes written to a socket its peer has not taken yet (SIOCOUTQ, tcp(7), unix(7)).
 *
 * @param fd A stream socket.
 * @returns Bytes that TCP has not seen acknowledged, or memory of a unix socket that has not been read; 0 on an error.
 */
export function unsentBytes(fd: Descriptor): number {
  integer[0] = 0;
  return libc.ioctl(fd, SIOCOUTQ, integer) < 0 ? 0 : integer[0];
}

/**
 * How many of the bytes written to a TCP socket have not even been sent once (SIOCOUTQNSD): its peer has no room for
 * them, or the line has not.
 *
 * @param fd A TCP socket.
 * @returns Bytes; 0 for any other socket, or on an error.
 */
export function waitingBytes(fd: Descriptor): number {
  integer[0] = 0;
  return libc.ioctl(fd, SIOCOUTQNSD, integer) < 0 ? 0 : integer[0];
}

/** Makes the close of a socket a reset (RST) that drops what was not sent (SO_LINGER with 0 s, socket(7)). */
export function resetOnClose(fd: Descriptor): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerNow, 8);
}

/** Makes the close of a socket its end in order again, after {@linkcode resetOnClose}. */
export function endOnClose(fd: Descriptor): void {
  libc.setsockopt(fd, SOL_SOCKET, SO_LINGER, lingerOff, 8);
}

/** Sends small segments at once (TCP_NODELAY, tcp(7)). No effect on a unix socket. */
export function setNoDelay(fd: Descriptor): void {
  setOption(fd, IPPROTO_TCP, TCP_NODELAY, 1);
}

/**
 * Fixes the sizes of a socket's buffers, which the kernel otherwise fits to the line (SO_RCVBUF, SO_SNDBUF, socket(7)).
 *
 * @param fd The socket; before it is connected, or a listener.
 * @param bytes What each has for payload, up to net.core.rmem_max and wmem_max; the kernel takes twice as much for itself.
 */
export function setBuffers(fd: Descriptor, bytes: number): void {
  setOption(fd, SOL_SOCKET, SO_RCVBUF, bytes);
  setOption(fd, SOL_SOCKET, SO_SNDBUF, bytes);
}

/** Leaves urgent data where it stands in the stream (SO_OOBINLINE, socket(7)); otherwise a read would leave it out. */
export function keepUrgentInline(fd: Descriptor): void {
  setOption(fd, SOL_SOCKET, SO_OOBINLINE, 1);
}

/**
 * Lets the kernel find a peer that is gone while nothing is sent (SO_KEEPALIVE).
 *
 * @param fd A TCP socket.
 * @param idleSeconds Silence before the first probe, 1 s up.
 * @param intervalSeconds Time between probes, 1 s up; the third one without an answer ends the connection.
 */
export function setKeepalive(fd: Descriptor, idleSeconds: number, intervalSeconds: number): void {
  setOption(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
  setOption(fd, IPPROTO_TCP, TCP_KEEPIDLE, idleSeconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPINTVL, intervalSeconds);
  setOption(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
}

/**
 * Has the kernel repeat unacknowledged bytes at least this often (TCP_RTO_MAX_MS), where it otherwise waits twice as long
 * each time. Linux before 6.15 has no such option, and keeps to its way.
 *
 * @param fd A TCP socket.
 * @param longestMs Milliseconds, 1000 to 120000.
 */
export function setLongestRepeat(fd: Descriptor, longestMs: number): void {
  setOption(fd, IPPROTO_TCP, TCP_RTO_MAX_MS, longestMs);
}

/**
 * Hands a connection over to accept only when its first bytes are there, or after `seconds` (TCP_DEFER_ACCEPT).
 *
 * @param listener A listening TCP socket on which the connecting side speaks first.
 * @param seconds How long to wait for them, 1 s up.
 */
export function setDeferAccept(listener: Descriptor, seconds: number): void {
  setOption(listener, IPPROTO_TCP, TCP_DEFER_ACCEPT, seconds);
}

/** The name of a TCP socket's congestion control, such as `cubic` (TCP_CONGESTION, tcp(7)); empty for any other socket. */
export function congestionControl(fd: Descriptor): string {
  const name = new Uint8Array(MAX_CONTROL_NAME);
  addressLength[0] = MAX_CONTROL_NAME;
  if (libc.getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, addressLength) < 0) return "";
  return new TextDecoder().decode(name.subarray(0, name.indexOf(0)));
}

/**
 * Gives a TCP socket a congestion control, and what a listener accepts the same.
 *
 * @param fd The socket.
 * @param name The ASCII bytes of one that the kernel has and the user may choose, such as `reno`.
 * @returns 0, or a negated errno: ENOENT, EPERM.
 */
export function setCongestionControl(fd: Descriptor, name: Uint8Array<ArrayBuffer>): number {
  const result = libc.setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, name.length);
  return result < 0 ? -errno[0] : result;
}

function setOption(fd: Descriptor, level: number, name: number, value: number): void {
  integer[0] = value;
  libc.setsockopt(fd, level, name, integer, 4);
}
