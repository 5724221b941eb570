// What the frequent messages cost: the frames around a session, and the notices.

import { NoticeReader, NoticeWriter } from "../../core/protocol/notices.ts";
import { proxyId, sessionNo, tunnelNo } from "../../tests/support/ids.ts";
import { decodeStartReq, encodeStartReq, newStartReq, PROXY_FRAME_BYTES } from "../../core/protocol/proxy_frame.ts";

const [proxy, session, tunnel] = [proxyId(7), sessionNo(9), tunnelNo(1)];
const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
const req = newStartReq();
const writer = new NoticeWriter();
const reader = new NoticeReader();

Deno.bench("StartProxyConnReq: encode and decode", () => {
  encodeStartReq(frame, session, tunnel, 0, 1);
  decodeStartReq(frame, req);
});

Deno.bench("NotifyProxyShutdownPeerConn: append, split and decode", () => {
  writer.appendShutdownPeer(proxy, session, 123_456_789);
  const bytes = writer.bytes();
  reader.room().set(bytes);
  reader.filled(bytes.length);
  writer.consume(bytes.length);
  if (reader.next() === null) throw new Error("A whole frame gave no message");
});
