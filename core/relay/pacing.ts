// Pacing, and which connections do without it. A congestion control that paces, such as BBR, spreads every burst over
// time, which costs a timer and an interrupt for each. A connection that stays on this host shares no line with
// anybody, and loses by that more than half of its throughput (docs/performance.md). It knows no kind of connection.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { congestionControl, readLastIp, setCongestionControl } from "../../ffi/socket.ts";
import { IP_WORDS, isLoopbackIp } from "../../ffi/socket_address.ts";

/** Does not pace, is part of every kernel, and may be chosen by every user (tcp(7)). */
const UNPACED = new TextEncoder().encode("reno");
const PACED = /^bbr/;

/** What this host gives to a connection, where that paces; undefined until the first socket has told. */
let paced: Uint8Array<ArrayBuffer> | null | undefined;
const ip = new Int32Array(IP_WORDS);

/**
 * Takes pacing off, where the host's usual congestion control paces. It must come first: once a connection has been
 * established with pacing, no other congestion control takes that off again.
 *
 * @param fd A TCP socket that will be connected to this host, or a listener: what it accepts inherits it, and
 * {@linkcode paceFromAfar} is for connections from elsewhere.
 */
export function unpace(fd: Descriptor): void {
  if (paced === undefined) {
    const usual = congestionControl(fd);
    paced = PACED.test(usual) ? new TextEncoder().encode(usual) : null;
  }
  if (paced !== null) setCongestionControl(fd, UNPACED);
}

/** Gives the connection that was accepted last, from an unpaced listener, the host's own way if it is from elsewhere. */
export function paceFromAfar(fd: Descriptor): void {
  if (!paced) return;
  readLastIp(ip);
  if (!isLoopbackIp(ip)) setCongestionControl(fd, paced);
}
