// Any frame of the protocol from and to plain fields, by the codec. It knows which function of the codec makes which
// frame, and nothing of what the documentation says about them.

import { FrameReader } from "../../core/protocol/frames.ts";
import type { FrameSplitter } from "../../core/protocol/frame_splitter.ts";
import type { ProxyId, SessionNo, TunnelNo } from "../../core/protocol/ids.ts";
import type { CtlMessage, Notice } from "../../core/protocol/messages.ts";
import { NoticeReader } from "../../core/protocol/notices.ts";
import {
  decodeStartReq,
  decodeStartRsp,
  encodePreambleAndMeta,
  encodeStartReq,
  encodeStartRsp,
  newStartReq,
  newStartRsp,
  parsePreamble,
  parseProxyMetaSet,
  PREAMBLE_BYTES,
  PROXY_FRAME_BYTES,
  START_ASK,
  type StartStatus,
} from "../../core/protocol/proxy_frame.ts";
import { MAX_FRAME_BYTES, NOTICE_TYPE_CODE } from "../../core/protocol/wire.ts";
import { bytesOf, noticeBytes } from "./ctl_peer.ts";
import { readTicket, type Ticket, writeTicket } from "../../core/protocol/ticket.ts";
import { type Fields, fromHex, toHex } from "./protocol_doc.ts";

function ticketFromHex(hex: unknown): Ticket {
  return readTicket(new DataView(fromHex(hex as string).buffer), 0);
}

function ticketToHex(ticket: Ticket): string {
  const bytes = new Uint8Array(16);
  writeTicket(new DataView(bytes.buffer), 0, ticket);
  return toHex(bytes);
}

/** The bytes of the frame `name` with these fields; bytes among them are hex. */
export function encodeAny(name: string, fields: Fields): Uint8Array {
  const session = fields.session as SessionNo;
  const start = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
  switch (name) {
    case "Preamble":
      return encodePreambleAndMeta(fields.worker as number, 1 as ProxyId, [0, 0, 0, 0]).slice(0, PREAMBLE_BYTES);
    case "ProxyMetaSet":
      return encodePreambleAndMeta(0, fields.proxy as ProxyId, ticketFromHex(fields.ticket)).slice(PREAMBLE_BYTES);
    case "StartProxyConnReq":
      encodeStartReq(start, session, fields.tunnel as TunnelNo, fields.flags as number, fields.visitor as number);
      return new Uint8Array(start.buffer);
    case "StartProxyConnRsp":
      encodeStartRsp(start, session, fields.status as StartStatus);
      return new Uint8Array(start.buffer);
    default: {
      const needed = name === "NotifyClientNeedProxy"
        ? { ticket: ticketFromHex(fields.ticket), notices: fields.notices === 1 }
        : {};
      if (name in NOTICE_TYPE_CODE) return noticeBytes({ type: name, ...fields } as unknown as Notice);
      return bytesOf({ type: name, ...fields, ...needed } as unknown as CtlMessage);
    }
  }
}

/** The fields of the frame `name`; bytes among them as hex. */
export function decodeAny(name: string, bytes: Uint8Array): Fields {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (name) {
    case "Preamble":
      return { worker: parsePreamble(view) };
    case "ProxyMetaSet": {
      const { proxy, ticket } = parseProxyMetaSet(view);
      return { proxy, ticket: ticketToHex(ticket) };
    }
    case "StartProxyConnReq": {
      const req = newStartReq();
      decodeStartReq(view, req);
      return { flags: req.ask ? START_ASK : 0, tunnel: req.tunnel, session: req.session, visitor: req.visitor >>> 0 };
    }
    case "StartProxyConnRsp": {
      const rsp = newStartRsp();
      decodeStartRsp(view, rsp);
      return { status: rsp.status, session: rsp.session };
    }
    default: {
      const reader: FrameSplitter<CtlMessage | Notice> = name in NOTICE_TYPE_CODE
        ? new NoticeReader()
        : new FrameReader(MAX_FRAME_BYTES);
      // Whatever length the frame claims, these bytes are all there is: the rest is zeros, more than any frame here.
      reader.room().fill(0).set(bytes);
      reader.filled(4096);
      const message = reader.next();
      if (message === null || message.type !== name) throw new Error(`Expected "${name}", got "${message?.type}"`);
      const { type: _, ...fields } = message;
      if (!("ticket" in fields)) return fields as Fields;
      return { ...fields, notices: fields.notices ? 1 : 0, ticket: ticketToHex(fields.ticket) };
    }
  }
}
