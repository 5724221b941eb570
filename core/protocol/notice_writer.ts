// Output of a notice connection: notices about sessions, and nothing else. It must never know JSON: relay Workers import it.

import { BINARY_BODY_BYTES, writeEnd, writeProxySession } from "./binary_body.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import type { ProxyId, SessionNo } from "./ids.ts";

/** A queue of encoded notices; see {@linkcode FrameBuffer}. */
export class NoticeWriter extends FrameBuffer {
  /**
   * Appends NotifyProxyShutdownPeerConn: `total` in bytes, 0..2^53-1.
   * @throws {RangeError} outside that; nothing is appended then
   */
  appendShutdownPeer(proxy: ProxyId, session: SessionNo, total: number): void {
    const end = this.begin("NotifyProxyShutdownPeerConn");
    writeEnd(this.view, end - BINARY_BODY_BYTES.NotifyProxyShutdownPeerConn, proxy, session, total);
    this.commit(end);
  }

  /** Appends FreeProxyConnReq. */
  appendFreeProxyConn(proxy: ProxyId, session: SessionNo): void {
    const end = this.begin("FreeProxyConnReq");
    writeProxySession(this.view, end - BINARY_BODY_BYTES.FreeProxyConnReq, proxy, session);
    this.commit(end);
  }

  /**
   * Appends ResetSession: `total` in bytes, 0..2^53-1.
   * @throws {RangeError} outside that; nothing is appended then
   */
  appendResetSession(proxy: ProxyId, session: SessionNo, total: number): void {
    const end = this.begin("ResetSession");
    writeEnd(this.view, end - BINARY_BODY_BYTES.ResetSession, proxy, session, total);
    this.commit(end);
  }
}
