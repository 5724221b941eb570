import fc from "fast-check";
import { decodeMessage, FrameReader, FrameWriter } from "../core/protocol/frames.ts";
import { controlId, proxyId, tunnelNo } from "./support/ids.ts";
import type { CtlMessage } from "../core/protocol/messages.ts";
import { oneLine, ProtocolError } from "../core/protocol/protocol_error.ts";
import {
  CTL_TYPE_CODE,
  MAX_FRAME_BYTES_BEFORE_LOGIN,
  NOTICE_TYPE_CODE,
  PROXY_TYPE_CODE,
} from "../core/protocol/wire.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { anyMessage, newTunnelReq } from "./support/messages.ts";

function encode(message: CtlMessage): Uint8Array {
  const writer = new FrameWriter();
  writer.append(message);
  return writer.bytes().slice();
}

function decode(frame: Uint8Array): CtlMessage {
  return decodeMessage(frame[4], new DataView(frame.buffer, frame.byteOffset), 5, frame.length - 5);
}

function decodeJson(code: number, body: unknown): CtlMessage {
  const bytes = new TextEncoder().encode(typeof body === "string" ? body : JSON.stringify(body));
  return decodeMessage(code, new DataView(bytes.buffer), 0, bytes.length);
}

Deno.test("Every message comes back as it went", () => {
  fc.assert(fc.property(anyMessage, (message) => assertEquals(decode(encode(message)), message)), { numRuns: 500 });
});

Deno.test("No message, however long its texts, is too long for a login", () => {
  fc.assert(fc.property(anyMessage, (message) => assert(encode(message).length <= MAX_FRAME_BYTES_BEFORE_LOGIN)));
  for (const character of ["€", '"', "😀", "\ud800"]) {
    const reason = character.repeat(500);
    assert(encode({ type: "NewCtlRsp", ok: false, reason }).length <= MAX_FRAME_BYTES_BEFORE_LOGIN);
  }
});

Deno.test("A reason is cleaned and cut on both sides, never refused", () => {
  const long = "no\r\n\x1b[31m" + "x".repeat(300);
  const clean = "no   [31m" + "x".repeat(191);
  const sent = { type: "CloseTunnel", tunnel: tunnelNo(1), reason: long } as const;
  assertEquals(decode(encode(sent)), { ...sent, reason: clean });
  assertEquals(decodeJson(CTL_TYPE_CODE.CloseTunnel, { tunnel: 1, reason: long }), { ...sent, reason: clean });
});

Deno.test("Text cut to one line ends in no half character", () => {
  assertEquals(oneLine("ab😀", 3), "ab ");
  assertEquals(oneLine("ab😀", 4), "ab😀");
  assertEquals(oneLine("a\u2028b\u0085c\ud800d", 99), "a b c d");
});

Deno.test("Unknown keys are ignored, so that later versions may add some", () => {
  const tunnel = { tunnel: 7, name: "web", remote_port: 0, allow: [], deny: [] };
  const message = decodeJson(CTL_TYPE_CODE.NewTunnelReq, { ...tunnel, compress: true, type: "Heartbeat" });
  assertEquals<unknown>(message, { type: "NewTunnelReq", ...tunnel });
  const polluted = decodeJson(
    CTL_TYPE_CODE.NewTunnelReq,
    '{"tunnel":7,"name":"web","remote_port":0,"allow":[],"deny":[],"__proto__":{"admin":true}}',
  );
  assertEquals((polluted as unknown as { admin?: boolean }).admin, undefined);
});

Deno.test("A JSON body that does not fit is a ProtocolError that names message and field in one line", () => {
  const { NewCtlReq, NewCtlProof, NewTunnelReq, NewTunnelRsp } = CTL_TYPE_CODE;
  const hello = { version: 1, nonce: "0".repeat(64), instance: "0".repeat(32), program: "test" };
  const tunnel = { tunnel: 1, name: "web", remote_port: 0, allow: [], deny: [] };
  const cases: [number, unknown, string][] = [
    [NewCtlReq, { ...hello, version: -1 }, 'Invalid NewCtlReq: "version": expected a whole number from 0 to'],
    [NewCtlReq, { ...hello, version: "1" }, 'Invalid NewCtlReq: "version": expected a number'],
    [NewCtlReq, { ...hello, nonce: "A".repeat(64) }, 'Invalid NewCtlReq: "nonce": expected 64 lower-case hex digits'],
    [NewCtlReq, { ...hello, nonce: "0".repeat(64) + "\n" }, '"nonce"'],
    [NewCtlReq, { ...hello, instance: "0".repeat(31) }, '"instance": expected 32'],
    [NewCtlReq, { ...hello, program: "x".repeat(65) }, '"program": expected 0 to 64 characters'],
    [NewCtlReq, { version: 1 }, '"nonce"'],
    [NewCtlReq, [], 'Invalid NewCtlReq: "version"'],
    [NewCtlReq, "null", "Invalid NewCtlReq: "],
    [NewCtlReq, "", "NewCtlReq is not JSON: "],
    [NewCtlReq, "{", "NewCtlReq is not JSON: "],
    [NewCtlReq, "\ufeff{}", "NewCtlReq is not JSON: "],
    [NewCtlReq, "[".repeat(65_000), "NewCtlReq is not JSON: "],
    [NewCtlProof, { auth: "none", proof: "0".repeat(64) }, 'Invalid NewCtlProof: "proof"'],
    [NewCtlProof, { auth: "token", proof: "" }, '"proof"'],
    [NewCtlProof, { auth: "magic\nLOG", proof: "" }, '"auth"'],
    [NewTunnelReq, { tunnel: 0, name: "web", remote_port: 0 }, '"tunnel"'],
    [NewTunnelReq, { tunnel: 1.5, name: "web", remote_port: 0 }, '"tunnel"'],
    [NewTunnelReq, { tunnel: 1, name: "", remote_port: 0 }, '"name"'],
    [NewTunnelReq, { tunnel: 1, name: "a\x1b[2Jb", remote_port: 0 }, "no control characters"],
    [NewTunnelReq, { tunnel: 1, name: "web", remote_port: 65536 }, '"remote_port"'],
    [NewTunnelReq, { ...tunnel, allow: "10.0.0.0/8" }, '"allow": expected a list'],
    [NewTunnelReq, { ...tunnel, deny: ["10.0.0.0/8", 7] }, '"deny.1": expected a string'],
    [NewTunnelReq, { ...tunnel, deny: ["1".repeat(50)] }, '"deny.0": expected an address range such as 192.0.2.0/24'],
    [NewTunnelReq, { ...tunnel, allow: Array(65).fill("10.0.0.0/8") }, '"allow": expected at most 64 address ranges'],
    [NewTunnelRsp, { tunnel: 1, ok: true, reason: "both" }, '"address"'],
    [NewTunnelRsp, { tunnel: 1, ok: "yes" }, '"ok"'],
  ];
  for (const [code, body, message] of cases) {
    const error = assertThrows(() => decodeJson(code, body), ProtocolError, message);
    assert(!/\p{Cc}/u.test(error.message) && error.message.length <= 200, error.message);
  }
});

Deno.test("A JSON body that is not UTF-8 is a ProtocolError", () => {
  const bytes = new Uint8Array([0x7b, 0xff, 0x7d]);
  assertThrows(
    () => decodeMessage(CTL_TYPE_CODE.NewCtlReq, new DataView(bytes.buffer), 0, 3),
    ProtocolError,
    "not JSON",
  );
});

Deno.test("A type that no message on a ctl_conn has is a ProtocolError", () => {
  const known: number[] = Object.values(CTL_TYPE_CODE);
  const empty = new DataView(new ArrayBuffer(0));
  for (let code = 0; code < 256; code++) {
    if (!known.includes(code)) {
      assertThrows(() => decodeMessage(code, empty, 0, 0), ProtocolError, `0x${code.toString(16).padStart(2, "0")}`);
    }
  }
  const others = [...Object.values(PROXY_TYPE_CODE), ...Object.values(NOTICE_TYPE_CODE)];
  for (const code of others) assert(!known.includes(code));
  assertEquals(new Set(others).size, others.length);
});

Deno.test("A binary body of another size is a ProtocolError", () => {
  const view = new DataView(new Uint8Array(64).fill(1).buffer);
  for (const [code, size] of [[0x1f, 0], [0x20, 24]]) {
    for (const wrong of [size - 1, size + 1]) {
      if (wrong >= 0) assertThrows(() => decodeMessage(code, view, 0, wrong), ProtocolError, `instead of ${size}`);
    }
  }
});

Deno.test("The number 0, workers above 255 and unknown purposes are ProtocolErrors", () => {
  const need = encode({
    type: "NotifyClientNeedProxy",
    worker: 0,
    notices: false,
    proxy: proxyId(1),
    ticket: [0, 0, 0, 0],
  });
  for (const [at, value] of [[5, 1], [7, 1], [8, 2], [12, 0]]) {
    const frame = need.slice();
    frame[at] = value;
    assertThrows(() => decode(frame), ProtocolError);
  }
});

Deno.test("What is out of range is refused before it is sent, and leaves no bytes behind", () => {
  const writer = new FrameWriter();
  const control = controlId(1);
  const wrong: CtlMessage[] = [
    { type: "NewCtlRsp", ok: true, proof: "", proxy_port: 0, heartbeat_timeout_ms: 30_000, control },
    { type: "NewCtlRsp", ok: true, proof: "ab", proxy_port: 1, heartbeat_timeout_ms: 30_000, control },
    newTunnelReq(1, "", 0),
    { type: "NotifyClientNeedProxy", worker: 256, notices: true, proxy: proxyId(1), ticket: [0, 0, 0, 0] },
  ];
  for (const message of wrong) {
    assertThrows(() => writer.append(message));
    assertEquals(writer.length, 0);
  }
});

Deno.test("Random bytes on a ctl_conn give messages or a ProtocolError, and nothing else", () => {
  const codes = Object.values(CTL_TYPE_CODE);
  // Half of them get a valid length and type, so that they reach the bodies.
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.tuple(fc.constantFrom(...codes), fc.uint8Array({ maxLength: 60 })).map(([code, body]) =>
      Uint8Array.from([0, 0, 0, body.length + 1, code, ...body])
    ),
    fc.tuple(fc.constantFrom(...codes), fc.json()).map(([code, text]) => {
      const body = new TextEncoder().encode(text);
      return Uint8Array.from([0, 0, (body.length + 1) >> 8, (body.length + 1) & 255, code, ...body]);
    }),
  );
  fc.assert(
    fc.property(bytes, (input) => {
      const reader = new FrameReader(MAX_FRAME_BYTES_BEFORE_LOGIN);
      reader.room().set(input.subarray(0, 4096));
      reader.filled(Math.min(input.length, 4096));
      try {
        while (reader.next() !== null);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
      }
      assertEquals(reader.capacity, 4096);
    }),
    { numRuns: 1000 },
  );
});
