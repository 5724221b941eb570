// Input of a connection that carries frames: bytes go in as they come, whole messages come out. It must never know a
// socket, nor which messages there are.
//
//     for (;;) { const n = recv(reader.room()); reader.filled(n); while ((message = reader.next()) !== null) ... }

import { ProtocolError } from "./protocol_error.ts";
import { FRAME_HEADER_BYTES, MAX_FRAME_BYTES } from "./wire.ts";

const SMALLEST_BUFFER = 4096;
const LENGTH_BYTES = 4;

/** Cuts a byte stream into messages. One Worker uses it. It holds 4 KiB, and 64 KiB while so long a frame comes in. */
export abstract class FrameSplitter<Message> {
  #bytes = new Uint8Array(SMALLEST_BUFFER);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;
  #maxFrameBytes = 0;

  /**
   * `maxFrameBytes` is the longest frame to take, with its length field: MAX_FRAME_BYTES_BEFORE_LOGIN for a stranger.
   * @throws {RangeError} outside 5..MAX_FRAME_BYTES
   */
  constructor(maxFrameBytes: number) {
    this.maxFrameBytes = maxFrameBytes;
  }

  /** The longest frame to take, in bytes, with its length field. */
  get maxFrameBytes(): number {
    return this.#maxFrameBytes;
  }

  /** Counts from the next call of next(). Outside 5..MAX_FRAME_BYTES it throws a RangeError. */
  set maxFrameBytes(bytes: number) {
    if (!(bytes >= FRAME_HEADER_BYTES && bytes <= MAX_FRAME_BYTES)) {
      throw new RangeError(`A frame has ${FRAME_HEADER_BYTES} to ${MAX_FRAME_BYTES} bytes, not "${bytes}"`);
    }
    this.#maxFrameBytes = bytes;
  }

  /** Bytes that have come in and are in no message yet. At the end of the stream it must be 0. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** What has come in and is in no message yet: a view, good until the next call of another method. */
  get rest(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** Bytes of memory that are held, 4096..65536. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /**
   * Where to receive into: never empty, good until the next call of another method.
   * @throws {Error} if next() has not been called until it gave null: what is there already would fill the buffer
   */
  room(): Uint8Array {
    if (this.length === 0 && this.#bytes.length > SMALLEST_BUFFER) this.#use(SMALLEST_BUFFER);
    else if (this.#start > 0) this.#use(this.#bytes.length);
    else if (this.#end === this.#bytes.length) {
      // It doubles as bytes arrive, and not at once for the length that a stranger announces in four bytes.
      if (this.#end === MAX_FRAME_BYTES) throw new Error("A FrameSplitter is full of frames that were not taken");
      this.#use(2 * this.#bytes.length);
    }
    return this.#bytes.subarray(this.#end);
  }

  /**
   * Takes the first `count` bytes of room() as received.
   * @throws {RangeError} if there was less room
   */
  filled(count: number): void {
    if (!(count >= 0 && this.#end + count <= this.#bytes.length)) {
      throw new RangeError(`Cannot take "${count}" bytes into room for ${this.#bytes.length - this.#end}`);
    }
    this.#end += count;
  }

  /**
   * The next message, or null until more bytes are there.
   * @throws {ProtocolError} if the stream is malformed here; every later call throws it again
   */
  next(): Message | null {
    if (this.length < LENGTH_BYTES) return null;
    const frame = LENGTH_BYTES + this.#view.getUint32(this.#start);
    if (frame < FRAME_HEADER_BYTES) throw new ProtocolError("A frame without a type");
    if (frame > this.#maxFrameBytes) {
      throw new ProtocolError(`A frame of ${frame} bytes where at most ${this.#maxFrameBytes} are allowed`);
    }
    if (this.length < frame) return null;
    const code = this.#view.getUint8(this.#start + LENGTH_BYTES);
    const message = this.decode(code, this.#view, this.#start + FRAME_HEADER_BYTES, frame - FRAME_HEADER_BYTES);
    this.#start += frame;
    if (this.#start === this.#end) this.#start = this.#end = 0;
    return message;
  }

  /**
   * Reads one message.
   *
   * @param code The type byte.
   * @param view The whole buffer.
   * @param at The offset of the body's first byte.
   * @param size The body's size in bytes.
   * @throws {ProtocolError} if there is no such message here, or its body is malformed
   */
  protected abstract decode(code: number, view: DataView, at: number, size: number): Message;

  /** Moves what is there to the front of a buffer of `capacity` bytes: of this one, if it has as many. */
  #use(capacity: number): void {
    const pending = this.#bytes.subarray(this.#start, this.#end);
    if (capacity !== this.#bytes.length) {
      this.#bytes = new Uint8Array(capacity);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#bytes.set(pending, 0);
    this.#end -= this.#start;
    this.#start = 0;
  }
}
