import { proxyId, sessionNo } from "../core/protocol/ids.ts";
import { type Notice, NoticeReader } from "../core/protocol/notice_reader.ts";
import { NoticeWriter } from "../core/protocol/notice_writer.ts";
import { FrameWriter } from "../core/protocol/frame_writer.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import fc from "fast-check";
import { assertEquals, assertThrows } from "./support/assert.ts";

const u32 = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const ofSession = { proxy: u32.map(proxyId), session: u32.map(sessionNo) };
const notice: fc.Arbitrary<Notice> = fc.oneof(
  fc.record({
    type: fc.constant("NotifyProxyShutdownPeerConn" as const),
    ...ofSession,
    total: fc.maxSafeNat(),
  }),
  fc.record({ type: fc.constant("FreeProxyConnReq" as const), ...ofSession }),
  fc.record({ type: fc.constant("ResetSession" as const), ...ofSession, total: fc.maxSafeNat() }),
);

function write(notices: readonly Notice[]): Uint8Array {
  const writer = new NoticeWriter();
  for (const one of notices) {
    if (one.type === "NotifyProxyShutdownPeerConn") writer.appendShutdownPeer(one.proxy, one.session, one.total);
    else if (one.type === "FreeProxyConnReq") writer.appendFreeProxyConn(one.proxy, one.session);
    else writer.appendResetSession(one.proxy, one.session, one.total);
  }
  return writer.bytes().slice();
}

Deno.test("Notices come back as they went, wherever the stream is cut", () => {
  fc.assert(fc.property(fc.array(notice, { maxLength: 40 }), fc.integer({ min: 1, max: 50 }), (notices, piece) => {
    const bytes = write(notices);
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
