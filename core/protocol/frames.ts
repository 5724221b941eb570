// What travels on a ctl_conn, in and out: bytes to the messages of messages.ts, and messages to bytes. It must never know a
// socket.

import { BINARY_BODY_BYTES, expectBodySize, readNeedProxy, writeNeedProxy } from "./binary_body.ts";
import { FrameBuffer } from "./frame_buffer.ts";
import { FrameSplitter } from "./frame_splitter.ts";
import type { ProxyId } from "./ids.ts";
import { decodeJsonBody, encodeJsonBody } from "./json_body.ts";
import type { CtlMessage, Heartbeat } from "./messages.ts";
import { ProtocolError } from "./protocol_error.ts";
import type { Ticket } from "./ticket.ts";
import { CTL_TYPE_CODE } from "./wire.ts";

// One object for all of them: it has nothing to tell apart.
const HEARTBEAT: Heartbeat = Object.freeze({ type: "Heartbeat" });

// An array indexed by the type byte, because every frame looks here.
const TYPE_OF_CODE: (CtlMessage["type"] | undefined)[] = new Array(256).fill(undefined);
for (const type of Object.keys(CTL_TYPE_CODE) as CtlMessage["type"][]) TYPE_OF_CODE[CTL_TYPE_CODE[type]] = type;

/**
 * The message with type byte `code` and the body `view[at..at+size-1]`; nothing of `view` is kept.
 * @throws {ProtocolError} if there is no such message on a ctl_conn, or its body is malformed
 */
export function decodeMessage(code: number, view: DataView, at: number, size: number): CtlMessage {
  const type = TYPE_OF_CODE[code];
  switch (type) {
    case undefined:
      throw new ProtocolError(`No message on a ctl_conn has the type 0x${code.toString(16).padStart(2, "0")}`);
    case "NewCtlReq":
    case "NewCtlChallenge":
    case "NewCtlProof":
    case "NewCtlRsp":
    case "CloseCtl":
    case "NewTunnelReq":
    case "NewTunnelRsp":
    case "CloseTunnel":
      return decodeJsonBody(type, new Uint8Array(view.buffer, view.byteOffset + at, size));
    case "Heartbeat":
      expectBodySize(type, size);
      return HEARTBEAT;
    case "NotifyClientNeedProxy":
      expectBodySize(type, size);
      return readNeedProxy(view, at);
    default:
      return type satisfies never;
  }
}

/** Cuts the byte stream of a ctl_conn into messages; see {@linkcode FrameSplitter}. */
export class FrameReader extends FrameSplitter<CtlMessage> {
  /** See {@linkcode decodeMessage}. */
  protected override decode(code: number, view: DataView, at: number, size: number): CtlMessage {
    return decodeMessage(code, view, at, size);
  }
}

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
