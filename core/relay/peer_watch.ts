// How connections that carry payload find out that their peer is gone, the same on both sides.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { setKeepalive, setNoDelay } from "../../ffi/socket.ts";

/**
 * Seconds of silence before the kernel asks whether the peer is there. A connection that its peer has given up while the
 * link was down is found so: a kernel that ends a connection for want of acknowledgements tells nobody.
 */
const KEEPALIVE_IDLE_S = 30;
const KEEPALIVE_INTERVAL_S = 10;

/** Ms for which bytes sent on a ProxyConn may stay unacknowledged. */
export const PROXY_USER_TIMEOUT_MS = 60_000;

/**
 * Sets keepalive, and no delay for small segments.
 *
 * @param fd A TCP connection, or a listener: what it accepts inherits both (tcp(7)), which saves five calls per connection.
 */
export function watchPeers(fd: Descriptor): void {
  setNoDelay(fd);
  setKeepalive(fd, KEEPALIVE_IDLE_S, KEEPALIVE_INTERVAL_S);
}
