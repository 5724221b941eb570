import fc from "fast-check";
import { FrameReader, FrameWriter } from "../core/protocol/frames.ts";
import { NoticeWriter } from "../core/protocol/notices.ts";
import { proxyId, sessionNo } from "./support/ids.ts";
import type { CtlMessage } from "../core/protocol/messages.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import { CTL_TYPE_CODE, MAX_FRAME_BYTES, MAX_FRAME_BYTES_BEFORE_LOGIN } from "../core/protocol/wire.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { anyMessage, newTunnelReq } from "./support/messages.ts";

/** Puts all of `bytes` into the reader, `step` at a time, and gives the messages that came out. */
function read(reader: FrameReader, bytes: Uint8Array, step = 1 << 20): CtlMessage[] {
  const messages: CtlMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const room = reader.room();
    assert(room.length > 0, "room() must never be empty: recv(2) would answer 0, which means the end");
    const piece = bytes.subarray(at, at + Math.min(step, room.length));
    room.set(piece);
    reader.filled(piece.length);
    at += piece.length;
    for (let message = reader.next(); message !== null; message = reader.next()) messages.push(message);
  }
  return messages;
}

function tunnelReqFrame(bytes: number): Uint8Array {
  const start = '{"tunnel":1,"name":"web","remote_port":0,"allow":[],"deny":[],"padding":"';
  const text = start + "x".repeat(bytes - 5 - start.length - 2) + '"}';
  const frame = new Uint8Array(bytes);
  new DataView(frame.buffer).setUint32(0, bytes - 4);
  frame[4] = CTL_TYPE_CODE.NewTunnelReq;
  new TextEncoder().encodeInto(text, frame.subarray(5));
  return frame;
}

const tunnelReq = newTunnelReq(1, "web", 0);

Deno.test("Messages come out whole and in order, wherever the stream is cut", () => {
  fc.assert(
    fc.property(
      fc.array(anyMessage, { minLength: 1, maxLength: 12 }),
      fc.integer({ min: 1, max: 300 }),
      (messages, step) => {
        const writer = new FrameWriter();
        for (const message of messages) writer.append(message);
        const reader = new FrameReader(MAX_FRAME_BYTES);
        assertEquals(read(reader, writer.bytes(), step), messages);
        assertEquals(reader.length, 0);
      },
    ),
    { numRuns: 150 },
  );
});

Deno.test("A writer gives the same bytes however they are taken from it, with appends in between", () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(anyMessage, fc.nat(400)), { maxLength: 60 }), (steps) => {
      const whole = new FrameWriter();
      const pieces = new FrameWriter();
      const taken: number[] = [];
      const take = (count: number) => {
        taken.push(...pieces.bytes().subarray(0, count));
        pieces.consume(count);
      };
      for (const [message, count] of steps) {
        whole.append(message);
        pieces.append(message);
        take(Math.min(count, pieces.length));
      }
      take(pieces.length);
      assertEquals(Uint8Array.from(taken), whole.bytes().slice());
    }),
    { numRuns: 100 },
  );
});

Deno.test("A frame may be 65536 bytes long and no longer", () => {
  assertEquals(read(new FrameReader(MAX_FRAME_BYTES), tunnelReqFrame(65_536), 1000), [tunnelReq]);
  const error = assertThrows(
    () => read(new FrameReader(MAX_FRAME_BYTES), tunnelReqFrame(65_537).subarray(0, 4)),
    ProtocolError,
  );
  assertEquals(error.message, "A frame of 65537 bytes where at most 65536 are allowed");
});

Deno.test("Before login a frame may be 1024 bytes long, and afterwards more", () => {
  const reader = new FrameReader(MAX_FRAME_BYTES_BEFORE_LOGIN);
  assertEquals(read(reader, tunnelReqFrame(1024)), [tunnelReq]);
  assertThrows(() => read(reader, tunnelReqFrame(1025).subarray(0, 4)), ProtocolError, "at most 1024");
  reader.maxFrameBytes = MAX_FRAME_BYTES;
  assertEquals(reader.next(), null);
  assertEquals(read(reader, tunnelReqFrame(1025).subarray(4)), [tunnelReq]);
});

Deno.test("A maximum beyond 64 KiB or below a header is refused", () => {
  for (const bytes of [4, 65_537, NaN]) assertThrows(() => new FrameReader(bytes), RangeError, `not "${bytes}"`);
});

Deno.test("An HTTP request on the control port is refused after four bytes", () => {
  assertThrows(() => read(new FrameReader(1024), new TextEncoder().encode("GET ")), ProtocolError, "1195725860 bytes");
});

Deno.test("A frame of length 0 is a ProtocolError, and stays one", () => {
  const reader = new FrameReader(1024);
  assertThrows(() => read(reader, new Uint8Array(4)), ProtocolError, "without a type");
  assertThrows(() => reader.next(), ProtocolError, "without a type");
});

Deno.test("A reader grows with the bytes that came, not with the length that was announced", () => {
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const frame = tunnelReqFrame(65_536);
  read(reader, frame.subarray(0, 4096));
  assertEquals(reader.capacity, 4096);
  read(reader, frame.subarray(4096, 4097));
  assertEquals(reader.capacity, 8192);
  assertEquals(read(reader, frame.subarray(4097)), [tunnelReq]);
  assertEquals(reader.capacity, 65_536);
  reader.room();
  assertEquals(reader.capacity, 4096);
});

Deno.test("A reader holds at most 64 KiB, however long the stream", () => {
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const frame = tunnelReqFrame(40_000);
  for (let i = 0; i < 20; i++) {
    assertEquals(read(reader, frame, 3000).length, 1);
    assert(reader.capacity <= 65_536);
  }
});

Deno.test("A reader that nobody takes messages from says so instead of growing", () => {
  const reader = new FrameReader(MAX_FRAME_BYTES);
  assertThrows(
    () => {
      for (let i = 0; i < 100; i++) reader.filled(reader.room().length);
    },
    Error,
    "full of frames",
  );
  assertEquals(reader.capacity, 65_536);
});

Deno.test("More bytes than there was room for, or than are pending, are refused", () => {
  const reader = new FrameReader(1024);
  assertThrows(() => reader.filled(4097), RangeError);
  assertThrows(() => reader.filled(-1), RangeError);
  const writer = new FrameWriter();
  writer.append({ type: "Heartbeat" });
  assertThrows(() => writer.consume(6), RangeError);
  assertThrows(() => writer.consume(-1), RangeError);
  writer.consume(5);
  assertEquals(writer.length, 0);
});

Deno.test("A writer keeps 4 KiB for ordinary traffic", () => {
  const writer = new NoticeWriter();
  for (let i = 0; i < 10_000; i++) {
    writer.appendShutdownPeer(proxyId(1), sessionNo(1), i);
    writer.appendFreeProxyConn(proxyId(1), sessionNo(1));
    if (writer.length > 1000) writer.consume(990);
  }
  assertEquals(writer.capacity, 4096);
});

Deno.test("A writer gives the memory of a burst back while it is sent", () => {
  const writer = new NoticeWriter();
  while (writer.length < 1_000_000) writer.appendFreeProxyConn(proxyId(1), sessionNo(1));
  assert(writer.capacity >= 1_000_000);
  writer.consume(writer.length - 100_000);
  assert(writer.capacity <= 262_144, `${writer.capacity}`);
  const rest = writer.length;
  assertEquals(Array.from(writer.bytes().subarray(rest - 13)), [0, 0, 0, 9, 0x22, 0, 0, 0, 1, 0, 0, 0, 1]);
  writer.consume(rest);
  assertEquals(writer.capacity, 4096);
});
