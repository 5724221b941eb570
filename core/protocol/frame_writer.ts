// Output of a ctl_conn: the messages of messages.ts.

import { BINARY_BODY_BYTES, writeNeedProxy } from "./binary_body.ts";
import type { ProxyId } from "./ids.ts";
import { encodeJsonBody } from "./json_body.ts";
import type { CtlMessage } from "./messages.ts";
import type { Ticket } from "./ticket.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { CTL_TYPE_CODE } from "./wire.ts";

/** A queue of encoded frames for a ctl_conn; see {@linkcode FrameBuffer}. */
export class FrameWriter extends FrameBuffer {
  /**
   * Appends one frame.
   * @throws {TypeError | RangeError} if a field is out of its range; nothing is appended then
   */
  append(message: CtlMessage): void {
    switch (message.type) {
      case "Heartbeat":
        this.commit(this.begin(message.type));
        return;
      case "NotifyClientNeedProxy":
        return this.appendNeedProxy(message.worker, message.notices, message.proxy, message.ticket);
      case "NewCtlReq":
      case "NewCtlChallenge":
      case "NewCtlProof":
      case "NewCtlRsp":
      case "CloseCtl":
      case "NewTunnelReq":
      case "NewTunnelRsp":
      case "CloseTunnel": {
        const body = encodeJsonBody(message);
        const at = this.header(CTL_TYPE_CODE[message.type], body.length);
        new Uint8Array(this.view.buffer).set(body, at);
        this.commit(at + body.length);
        return;
      }
      default:
        return message satisfies never;
    }
  }

  /**
   * Appends NotifyClientNeedProxy: `worker` 0..255.
   * @throws {RangeError} outside these; nothing is appended then
   */
  appendNeedProxy(worker: number, notices: boolean, proxy: ProxyId, ticket: Ticket): void {
    const end = this.begin("NotifyClientNeedProxy");
    writeNeedProxy(this.view, end - BINARY_BODY_BYTES.NotifyClientNeedProxy, worker, notices, proxy, ticket);
    this.commit(end);
  }
}
