// What travels on a notice connection, in and out: notices about sessions, and nothing else. It must never know JSON: relay
// Workers import it.

import {
  BINARY_BODY_BYTES,
  expectBodySize,
  readFreeProxyConn,
  readResetSession,
  readShutdownPeer,
  writeEnd,
  writeProxySession,
} from "./binary_body.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { FrameSplitter } from "./frame_splitter.ts";
import type { ProxyId, SessionNo } from "./ids.ts";
import type { Notice } from "./messages.ts";
import { ProtocolError } from "./protocol_error.ts";
import { NOTICE_TYPE_CODE } from "./wire.ts";

/** Bytes of the longest notice, with its length field. */
const LONGEST = 21;

/** Cuts the byte stream of a notice connection into notices; see {@linkcode FrameSplitter}. */
export class NoticeReader extends FrameSplitter<Notice> {
  /** Makes an empty one. */
  constructor() {
    super(LONGEST);
  }

  /** Reads one notice. */
  protected override decode(code: number, view: DataView, at: number, size: number): Notice {
    switch (code) {
      case NOTICE_TYPE_CODE.NotifyProxyShutdownPeerConn:
        expectBodySize("NotifyProxyShutdownPeerConn", size);
        return readShutdownPeer(view, at);
      case NOTICE_TYPE_CODE.FreeProxyConnReq:
        expectBodySize("FreeProxyConnReq", size);
        return readFreeProxyConn(view, at);
      case NOTICE_TYPE_CODE.ResetSession:
        expectBodySize("ResetSession", size);
        return readResetSession(view, at);
      default:
        throw new ProtocolError(`No notice has the type 0x${code.toString(16).padStart(2, "0")}`);
    }
  }
}

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
