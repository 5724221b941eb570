import { proxyId, sessionNo } from "./support/ids.ts";
import type { Notice } from "../core/protocol/messages.ts";
import { NoticeReader } from "../core/protocol/notices.ts";
import { FrameWriter } from "../core/protocol/frames.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import fc from "fast-check";
import { assertEquals, assertThrows } from "./support/assert.ts";
import { noticeBytes } from "./support/ctl_peer.ts";
import { anyNotice } from "./support/messages.ts";

Deno.test("Notices come back as they went, wherever the stream is cut", () => {
  fc.assert(fc.property(fc.array(anyNotice, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (notices, piece) => {
    const bytes = noticeBytes(...notices);
    const reader = new NoticeReader();
    const read: Notice[] = [];
    for (let at = 0; at < bytes.length; at += piece) {
      const part = bytes.subarray(at, at + piece);
      reader.room().set(part);
      reader.filled(part.length);
      for (let next = reader.next(); next !== null; next = reader.next()) read.push(next);
    }
    assertEquals(read, notices);
    assertEquals(reader.length, 0);
  }));
});

Deno.test("A message of the ctl_conn that is no notice is a ProtocolError on a notice connection", () => {
  const writer = new FrameWriter();
  writer.append({ type: "Heartbeat" });
  const reader = new NoticeReader();
  reader.room().set(writer.bytes());
  reader.filled(writer.length);
  assertThrows(() => reader.next(), ProtocolError, "No notice has the type 0x1f");
});

Deno.test("Random bytes on a notice connection are a ProtocolError at the latest after 21 bytes", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 25, maxLength: 200 }), (bytes) => {
    const reader = new NoticeReader();
    reader.room().set(bytes);
    reader.filled(bytes.length);
    try {
      while (reader.next() !== null);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
    }
    assertEquals(reader.capacity, 4096);
  }));
});

/** The one notice in these bytes. */
function decode(bytes: Uint8Array): Notice | null {
  const reader = new NoticeReader();
  reader.room().set(bytes);
  reader.filled(bytes.length);
  return reader.next();
}

Deno.test("Totals of 64 bits go up to 2^53-1", () => {
  for (const type of ["NotifyProxyShutdownPeerConn", "ResetSession"] as const) {
    const ofSession = { type, proxy: proxyId(1), session: sessionNo(1) };
    for (const total of [0, 1, 2 ** 32 - 1, 2 ** 32, 2 ** 32 + 1, Number.MAX_SAFE_INTEGER]) {
      const notice: Notice = { ...ofSession, total };
      assertEquals(decode(noticeBytes(notice)), notice);
    }
    for (const total of [-1, 2 ** 53]) assertThrows(() => noticeBytes({ ...ofSession, total }), RangeError);
    const frame = noticeBytes({ ...ofSession, total: 0 });
    frame[13 + 1] = 0x20;
    assertThrows(() => decode(frame), ProtocolError, "2^53-1");
  }
});

Deno.test("A ProxyConn or a session with the number 0, and a body of another size, are ProtocolErrors", () => {
  for (const type of ["NotifyProxyShutdownPeerConn", "FreeProxyConnReq", "ResetSession"] as const) {
    const notice = { type, proxy: proxyId(1), session: sessionNo(1), total: 0 };
    for (const at of [8, 12]) {
      const frame = noticeBytes(notice);
      frame[at] = 0;
      assertThrows(() => decode(frame), ProtocolError, "number 0");
    }
    for (const change of [-1, 1]) {
      const frame = new Uint8Array(32);
      frame.set(noticeBytes(notice));
      frame[3] += change;
      assertThrows(() => decode(frame), ProtocolError);
    }
  }
});
