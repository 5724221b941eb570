// What connections that carry payload are told when they are made, the same on both sides: mostly how to find out that
// their peer is gone.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { keepUrgentInline, setKeepalive, setLongestRepeat, setNoDelay } from "../../ffi/socket.ts";
import { capBuffers } from "./buffers.ts";

/**
 * Seconds of silence before the kernel asks whether the peer is there. A connection that its peer has given up while the
 * link was down is found so: a kernel that ends a connection for want of acknowledgements does not tell the peer.
 */
const KEEPALIVE_IDLE_S = 30;
const KEEPALIVE_INTERVAL_S = 10;

/**
 * Ms at most between repeats of what is not acknowledged, and between questions whether a peer that does not read does
 * again. The kernel waits up to 120 s, and a peer that has paused for long would be missed as late as that.
 */
const LONGEST_REPEAT_MS = 15_000;

/**
 * Sets keepalive, no delay for small segments, urgent data in its place in the stream, buffers where they are limited,
 * and how long the kernel may take to ask again. What a peer that is gone has not acknowledged is `PeerSweep`'s matter:
 * TCP_USER_TIMEOUT would also end connections whose peer does not read.
 *
 * @param fd A TCP connection, or a listener: what it accepts inherits all (tcp(7)), which saves seven calls per connection.
 */
export function watchPeers(fd: Descriptor): void {
  setNoDelay(fd);
  capBuffers(fd);
  keepUrgentInline(fd);
  setKeepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S);
  setLongestRepeat(fd, LONGEST_REPEAT_MS);
}
