import fc from "fast-check";
import { proxyId, sessionNo, tunnelNo } from "./support/ids.ts";
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
  PROXY_META_SET_BYTES,
  START_ALIVE,
  START_ASK,
  START_CONNECTED,
  START_REFUSED,
} from "../core/protocol/proxy_frame.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import { PROTOCOL_VERSION } from "../core/protocol/wire.ts";
import { assertEquals, assertThrows } from "./support/assert.ts";
import { ticket } from "./support/messages.ts";

const u32 = fc.integer({ min: 1, max: 2 ** 32 - 1 });
const over = (bytes: Uint8Array) => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const frame = new Uint8Array(PROXY_FRAME_BYTES);
const view = new DataView(frame.buffer);

Deno.test("StartProxyConnReq comes back as it went, whatever was in the buffer before", () => {
  const into = newStartReq();
  fc.assert(
    fc.property(
      u32,
      fc.integer({ min: 1, max: 65535 }),
      fc.boolean(),
      fc.integer(),
      (session, tunnel, ask, visitor) => {
        frame.fill(0xee);
        encodeStartReq(view, sessionNo(session), tunnelNo(tunnel), ask ? START_ASK : 0, visitor);
        decodeStartReq(view, into);
        assertEquals(into, { session: sessionNo(session), tunnel: tunnelNo(tunnel), ask, visitor });
      },
    ),
  );
});

Deno.test("StartProxyConnRsp comes back as it went, whatever was in the buffer before", () => {
  const into = newStartRsp();
  fc.assert(
    fc.property(u32, fc.constantFrom(START_CONNECTED, START_REFUSED, START_ALIVE), (session, status) => {
      frame.fill(0xee);
      encodeStartRsp(view, sessionNo(session), status);
      decodeStartRsp(view, into);
      assertEquals(into, { session: sessionNo(session), status });
    }),
  );
});

Deno.test("A single wrong byte outside the numbers of a frame on a ProxyConn is a ProtocolError", () => {
  for (const at of [0, 1, 2, 3, 4, 5]) {
    encodeStartReq(view, sessionNo(1), tunnelNo(1), 0, 0);
    frame[at] ^= 0x80;
    assertThrows(() => decodeStartReq(view, newStartReq()), ProtocolError);
  }
  for (const at of [0, 1, 2, 3, 4, 5, 6, 7, 12, 13, 14, 15]) {
    encodeStartRsp(view, sessionNo(1), START_CONNECTED);
    frame[at] ^= 0x80;
    assertThrows(() => decodeStartRsp(view, newStartRsp()), ProtocolError);
  }
});

Deno.test("Session 0 and tunnel 0 start nothing", () => {
  encodeStartReq(view, sessionNo(1), tunnelNo(1), 0, 0);
  view.setUint32(8, 0);
  assertThrows(() => decodeStartReq(view, newStartReq()), ProtocolError, "session 0");
  encodeStartReq(view, sessionNo(1), tunnelNo(1), 0, 0);
  view.setUint16(6, 0);
  assertThrows(() => decodeStartReq(view, newStartReq()), ProtocolError, "tunnel 0");
  encodeStartRsp(view, sessionNo(1), START_CONNECTED);
  view.setUint32(8, 0);
  assertThrows(() => decodeStartRsp(view, newStartRsp()), ProtocolError, "session 0");
});

Deno.test("A request is no response, nor the other way round", () => {
  encodeStartReq(view, sessionNo(1), tunnelNo(1), 0, 0);
  assertThrows(() => decodeStartRsp(view, newStartRsp()), ProtocolError, "Expected StartProxyConnRsp");
  encodeStartRsp(view, sessionNo(1), START_CONNECTED);
  assertThrows(() => decodeStartReq(view, newStartReq()), ProtocolError, "Expected StartProxyConnReq");
});

Deno.test("Payload taken for a frame is a ProtocolError and changes nothing", () => {
  fc.assert(fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
    const req = newStartReq();
    const rsp = newStartRsp();
    const random = new DataView(bytes.buffer, bytes.byteOffset);
    assertThrows(() => decodeStartReq(random, req), ProtocolError);
    assertThrows(() => decodeStartRsp(random, rsp), ProtocolError);
    assertEquals(req, newStartReq());
    assertEquals(rsp, newStartRsp());
  }));
});

Deno.test("Preamble and ProxyMetaSet come back as they went", () => {
  fc.assert(fc.property(fc.nat(255), u32, ticket, (worker, proxy, ticket) => {
    const bytes = encodePreambleAndMeta(worker, proxyId(proxy), ticket);
    assertEquals(bytes.length, PREAMBLE_BYTES + PROXY_META_SET_BYTES);
    assertEquals(parsePreamble(over(bytes)), worker);
    assertEquals(parseProxyMetaSet(over(bytes.subarray(PREAMBLE_BYTES))), { proxy: proxyId(proxy), ticket });
  }));
});

Deno.test("A web browser on the proxy port is told from a ProxyConn", () => {
  const request = new TextEncoder().encode("GET / HTTP/1.1\r\nHost: example.org\r\n\r\n");
  assertThrows(() => parsePreamble(over(request)), ProtocolError, "no ProxyConn");
  assertThrows(() => parseProxyMetaSet(over(request)), ProtocolError, "Expected ProxyMetaSet");
});

Deno.test("A ProxyConn of another protocol version is told which one is wanted", () => {
  const bytes = encodePreambleAndMeta(0, proxyId(1), [0, 0, 0, 0]);
  bytes[4] = PROTOCOL_VERSION + 1;
  assertThrows(
    () => parsePreamble(over(bytes)),
    ProtocolError,
    `version ${PROTOCOL_VERSION + 1}, this is version ${PROTOCOL_VERSION}`,
  );
});

Deno.test("A single wrong byte outside worker, proxy and ticket is a ProtocolError", () => {
  for (const at of [0, 1, 2, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]) {
    const bytes = encodePreambleAndMeta(3, proxyId(1), [0, 0, 0, 0]);
    bytes[at] ^= 0x80;
    assertThrows(() => {
      parsePreamble(over(bytes));
      parseProxyMetaSet(over(bytes.subarray(PREAMBLE_BYTES)));
    }, ProtocolError);
  }
});

Deno.test("A worker that does not fit is refused before it is sent", () => {
  assertThrows(() => encodePreambleAndMeta(256, proxyId(1), [0, 0, 0, 0]), RangeError);
  assertThrows(() => encodePreambleAndMeta(-1, proxyId(1), [0, 0, 0, 0]), RangeError);
});
