// Input of a notice connection: notices about sessions, and nothing else. It must never know JSON: relay Workers import it.

import { expectBodySize, readFreeProxyConn, readResetSession, readShutdownPeer } from "./binary_body.ts";
import { FrameSplitter } from "./frame_splitter.ts";
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
