// Output of a connection that carries frames: frames go in, bytes come out, in as many pieces as the socket takes.
// It must never know a socket, nor JSON: relay Workers import it. It does not limit itself: its owner looks at `length` and
// gives a deaf peer up.

import { BINARY_BODY_BYTES } from "./binary_body.ts";
import type { BinaryMessage } from "./messages.ts";
import { CTL_TYPE_CODE, FRAME_HEADER_BYTES, MAX_FRAME_BYTES, NOTICE_TYPE_CODE } from "./wire.ts";

const CODE: Readonly<Record<BinaryMessage["type"], number>> = { ...CTL_TYPE_CODE, ...NOTICE_TYPE_CODE };

const SMALLEST_BUFFER = 4096;
// A buffer up to this size is kept when it empties; one above was a burst, and goes back as its bytes are sent.
const LARGEST_KEPT = 65_536;

/** A queue of encoded frames. One Worker uses it. Binary messages are appended without allocation, unless it grows. */
export class FrameBuffer {
  #bytes = new Uint8Array(SMALLEST_BUFFER);
  #view = new DataView(this.#bytes.buffer);
  #start = 0;
  #end = 0;

  /** Pending bytes: appended and not yet consumed. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** Bytes of memory that are held, at least 4096. */
  get capacity(): number {
    return this.#bytes.length;
  }

  /** A view of the pending bytes, good until the next call of another method. */
  bytes(): Uint8Array {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /**
   * Drops the first `count` pending bytes, because they are sent.
   * @throws {RangeError} if fewer are pending
   */
  consume(count: number): void {
    if (!(count >= 0 && count <= this.length)) {
      throw new RangeError(`Cannot consume "${count}" of ${this.length} pending bytes`);
    }
    this.#start += count;
    if (this.#start === this.#end) this.#start = this.#end = 0;
    if (this.#bytes.length > LARGEST_KEPT && this.length <= this.#bytes.length / 4) this.#move(2 * this.length);
  }

  /** The buffer, for bodies behind a header of {@linkcode header} or {@linkcode begin}. */
  protected get view(): DataView {
    return this.#view;
  }

  /** Writes the header of a fixed frame behind the pending bytes; gives the offset of the frame's end. */
  protected begin(type: BinaryMessage["type"]): number {
    const size = BINARY_BODY_BYTES[type];
    return this.header(CODE[type], size) + size;
  }

  /** Writes a header, with room for its body behind it; gives the offset of the body. Nothing is pending before commit. */
  protected header(code: number, bodySize: number): number {
    const frame = FRAME_HEADER_BYTES + bodySize;
    if (frame > MAX_FRAME_BYTES) throw new RangeError(`A frame of ${frame} bytes is longer than ${MAX_FRAME_BYTES}`);
    if (this.#end + frame > this.#bytes.length) this.#move(frame + 1.5 * this.length);
    this.#view.setUint32(this.#end, frame - 4);
    this.#view.setUint8(this.#end + 4, code);
    return this.#end + FRAME_HEADER_BYTES;
  }

  /** Makes everything up to an offset pending. */
  protected commit(end: number): void {
    this.#end = end;
  }

  /**
   * Moves the pending bytes to the front of a buffer for at least `size` bytes: the same one if that will do. The half of
   * them that header adds keeps a full buffer from being moved again for every frame.
   */
  #move(size: number): void {
    let capacity = SMALLEST_BUFFER;
    while (capacity < size) capacity *= 2;
    const from = this.#bytes;
    const pending = this.bytes();
    if (capacity > from.length || (capacity < from.length && from.length > LARGEST_KEPT)) {
      this.#bytes = new Uint8Array(capacity);
      this.#view = new DataView(this.#bytes.buffer);
    }
    this.#bytes.set(pending, 0);
    this.#end -= this.#start;
    this.#start = 0;
  }
}
