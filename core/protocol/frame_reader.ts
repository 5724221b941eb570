// Input of a ctl_conn: the messages of messages.ts.

import { decodeMessage } from "./codec.ts";
import { FrameSplitter } from "./frame_splitter.ts";
import type { CtlMessage } from "./messages.ts";

/** Cuts the byte stream of a ctl_conn into messages; see {@linkcode FrameSplitter}. */
export class FrameReader extends FrameSplitter<CtlMessage> {
  /** See {@linkcode decodeMessage}. */
  protected override decode(code: number, view: DataView, at: number, size: number): CtlMessage {
    return decodeMessage(code, view, at, size);
  }
}
