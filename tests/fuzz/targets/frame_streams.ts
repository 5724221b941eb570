// Byte streams of connections that carry frames. However a stream is cut into pieces, the same messages and the same
// refusal must come out, and the reader must never hold more than its limit.

import { FrameReader } from "../../../core/protocol/frames.ts";
import type { FrameSplitter } from "../../../core/protocol/frame_splitter.ts";
import type { CtlMessage, Notice } from "../../../core/protocol/messages.ts";
import { NoticeReader } from "../../../core/protocol/notices.ts";
import { ProtocolError } from "../../../core/protocol/protocol_error.ts";
import { MAX_FRAME_BYTES, MAX_FRAME_BYTES_BEFORE_LOGIN, NOTICE_TYPE_CODE } from "../../../core/protocol/wire.ts";
import { bytesOf, noticeBytes } from "../../support/ctl_peer.ts";
import type { Random } from "../../support/random.ts";
import { anyMessage, noticeMessage } from "../messages.ts";
import { bug, expectOneLine, randomOf, type Target } from "../target.ts";

/** What a stream gave: its messages, and how it ended. */
interface Outcome {
  readonly messages: (CtlMessage | Notice)[];
  /** Bytes that are in no message, or the refusal. */
  readonly end: string;
}

/** Reads a stream in pieces of the sizes that `nextPiece` gives, 1 up. */
function read(reader: FrameSplitter<CtlMessage | Notice>, stream: Uint8Array, nextPiece: () => number): Outcome {
  const messages: (CtlMessage | Notice)[] = [];
  // the buffer doubles from 4 KiB; a limit below that leaves it at 4 KiB
  const most = reader.maxFrameBytes <= 4096 ? 4096 : MAX_FRAME_BYTES;
  try {
    for (let at = 0; at < stream.length;) {
      const room = reader.room();
      if (room.length === 0) bug("room() is empty: recv(2) would answer 0, which means the end");
      if (reader.capacity > most) bug(`The reader holds ${reader.capacity} bytes, and its limit is ${most}`);
      const piece = stream.subarray(at, at + Math.min(nextPiece(), room.length));
      room.set(piece);
      reader.filled(piece.length);
      at += piece.length;
      for (let message = reader.next(); message !== null; message = reader.next()) messages.push(message);
      if (reader.length >= reader.maxFrameBytes) bug(`${reader.length} bytes are kept that are a whole frame`);
    }
    return { messages, end: `${reader.length} bytes` };
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expectOneLine(error.message, 200);
    try {
      reader.next();
    } catch (again) {
      if (again instanceof ProtocolError && again.message === error.message) return { messages, end: error.message };
    }
    bug(`The refusal is forgotten: ${error.message}`);
  }
}

function expectSameOutcome(whole: Outcome, pieces: Outcome, how: string): void {
  const [a, b] = [JSON.stringify(whole), JSON.stringify(pieces)];
  if (a !== b) bug(`Cut ${how} the stream gives ${b}, and in one piece ${a}`);
}

/** What the lengths alone say: a message for every whole frame, and a refusal at the first length out of its range. */
function expectLengths(stream: Uint8Array, limit: number, { messages, end }: Outcome): void {
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  let frames = 0;
  let at = 0;
  let refused = false;
  while (!refused && at + 4 <= stream.length) {
    const frame = 4 + view.getUint32(at);
    refused = frame < 5 || frame > limit;
    if (refused || at + frame > stream.length) break;
    at += frame;
    frames++;
  }
  const isRefusal = !/^\d+ bytes$/.test(end);
  if (messages.length > frames) bug(`${messages.length} messages of ${frames} frames`);
  if (refused && !isRefusal) bug(`A frame with a length beyond its limit of ${limit} is not refused`);
  if (!isRefusal && (messages.length !== frames || end !== `${stream.length - at} bytes`)) {
    bug(`${messages.length} messages and ${end} of ${frames} frames and ${stream.length - at} bytes`);
  }
}

function accepts(stream: Uint8Array, newReader: (random: Random) => FrameSplitter<CtlMessage | Notice>): boolean {
  const limit = randomOf(stream);
  const first = newReader(limit);
  const readerLike = () => {
    const reader = newReader(limit);
    reader.maxFrameBytes = first.maxFrameBytes;
    return reader;
  };
  const whole = read(first, stream, () => stream.length);
  expectLengths(stream, first.maxFrameBytes, whole);
  const random = randomOf(stream);
  const longestPiece = random.between(1, 1 + stream.length);
  expectSameOutcome(whole, read(readerLike(), stream, () => random.between(1, longestPiece)), "at random");
  if (stream.length <= 1024 && random.chance(0.02)) {
    expectSameOutcome(whole, read(readerLike(), stream, () => 1), "byte by byte");
    const step = stream.length <= 64 ? 1 : random.between(5, 50);
    for (let cut = 1; cut < stream.length; cut += step) {
      let piece = 0;
      const inTwo = read(readerLike(), stream, () => piece++ === 0 ? cut : stream.length);
      expectSameOutcome(whole, inTwo, `in two after ${cut} bytes`);
    }
  }
  if (whole.messages.length > 0) {
    const bytes = joined(whole.messages.map(bytesOfAny));
    const again = isNotice(whole.messages[0]) ? new NoticeReader() : new FrameReader(MAX_FRAME_BYTES);
    const rewritten = read(again, bytes, () => bytes.length);
    expectSameOutcome({ messages: whole.messages, end: "0 bytes" }, rewritten, "and written again");
  }
  return whole.messages.length > 0 && whole.end === "0 bytes";
}

function isNotice(message: CtlMessage | Notice): message is Notice {
  return message.type in NOTICE_TYPE_CODE;
}

function bytesOfAny(message: CtlMessage | Notice): Uint8Array {
  return isNotice(message) ? noticeBytes(message) : bytesOf(message);
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

function streamOf(random: Random, messageOf: (random: Random) => CtlMessage | Notice): Uint8Array {
  const parts: Uint8Array[] = [];
  do parts.push(bytesOfAny(messageOf(random))); while (random.chance(0.5));
  return joined(parts);
}

/** The stream of a ctl_conn, before and after the login. */
export const ctlFrames: Target = {
  name: "ctl_frames",
  share: 10,
  longest: 140_000,
  valid: (random) => streamOf(random, anyMessage),
  accepts: (stream) =>
    accepts(stream, (random) => new FrameReader(random.chance(0.5) ? MAX_FRAME_BYTES : MAX_FRAME_BYTES_BEFORE_LOGIN)),
};

/** The stream of a notice connection. */
export const noticeFrames: Target = {
  name: "notice_frames",
  share: 10,
  longest: 20_000,
  valid: (random) => streamOf(random, noticeMessage),
  accepts: (stream) => accepts(stream, () => new NoticeReader()),
};
