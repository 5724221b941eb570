// From the type byte and body of one frame on a ctl_conn to its message. It must never know buffers that grow, or sockets.
// The other direction is FrameWriter, which writes into its own buffer.

import { expectBodySize, readNeedProxy } from "./binary_body.ts";
import { decodeJsonBody } from "./json_body.ts";
import type { CtlMessage, Heartbeat } from "./messages.ts";
import { ProtocolError } from "./protocol_error.ts";
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
