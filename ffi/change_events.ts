// Descriptors that become readable when something around the program has changed: its network, or the clock of the host.
import type { Descriptor } from "./descriptor.ts";
import { errno } from "./errno.ts";
import { libc } from "./libc.ts";
import { openSocket, receive } from "./socket.ts";
import { type SocketAddress, withPort } from "./socket_address.ts";

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const NONBLOCK = 0o4000;
const CLOEXEC = 0o2000000;
const NETLINK_ROUTE = 0;
// groups of rtnetlink(7): links, addresses and routes of both families
const RTMGRP_LINK = 0x1;
const RTMGRP_IPV4_IFADDR = 0x10;
const RTMGRP_IPV4_ROUTE = 0x40;
const RTMGRP_IPV6_IFADDR = 0x100;
const RTMGRP_IPV6_ROUTE = 0x400;
const CLOCK_REALTIME = 0;
const TFD_TIMER_ABSTIME = 1;
const TFD_TIMER_CANCEL_ON_SET = 2;
/** Seconds since 1970 that never come. */
const NEVER_S = 2n ** 40n;

const scrap = new Uint8Array(8192);

/**
 * Opens a socket that hears of every change of this host's links, addresses and routes (rtnetlink(7)).
 *
 * @returns Its descriptor, or a negated errno: EMFILE, or EAFNOSUPPORT where the program may not have one.
 */
export function openNetworkEvents(): Descriptor | number {
  const fd = libc.socket(AF_NETLINK, SOCK_RAW | NONBLOCK | CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return -errno[0];
  const address = new Uint8Array(12);
  const view = new DataView(address.buffer);
  const littleEndian = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;
  view.setUint16(0, AF_NETLINK, littleEndian);
  const addresses = RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR;
  view.setUint32(8, RTMGRP_LINK | addresses | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE, littleEndian);
  if (libc.bind(fd, address, address.length) === 0) return fd as Descriptor;
  const code = errno[0];
  libc.close(fd);
  return -code;
}

/** Takes the messages of such a socket. Otherwise the kernel would keep messages up to its limit, and then send no more. */
export function takeNetworkEvents(fd: Descriptor): void {
  // an error, ENOBUFS, means that some were lost: that there were any is all that counts
  for (let round = 0; round < 64 && receive(fd, scrap) >= 0; round++);
}

/**
 * Opens a timer that never is due, and that is cancelled when the wall clock jumps: it was set, or the host was suspended
 * (TFD_TIMER_CANCEL_ON_SET, timerfd_create(2)). Each jump is a new edge; nothing needs to be read.
 *
 * @returns Its descriptor, or a negated errno.
 */
export function openClockEvents(): Descriptor | number {
  const fd = libc.timerfd_create(CLOCK_REALTIME, NONBLOCK | CLOEXEC);
  if (fd < 0) return -errno[0];
  const interval = [0n, 0n];
  const spec = new BigInt64Array([...interval, NEVER_S, 0n]);
  if (libc.timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, spec, null) === 0) return fd as Descriptor;
  const code = errno[0];
  libc.close(fd);
  return -code;
}

/** Whether an IP address belongs to this host now. */
export function isOwnAddress(address: SocketAddress): boolean {
  const fd = openSocket(address.family);
  if (fd < 0) return true; // not known
  const bound = libc.bind(fd, withPort(address, 0).bytes, address.bytes.length) === 0;
  libc.close(fd);
  return bound;
}
