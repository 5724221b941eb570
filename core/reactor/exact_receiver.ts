// Receives so many bytes and not one more, so that what follows them stays in the socket.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Errno } from "../../ffi/errno.ts";
import { receive } from "../../ffi/socket.ts";

/** The most that can be asked for. */
const MOST_BYTES = 64;
// one buffer per Worker, as what is asked for nearly always comes whole: a buffer for each of 10,000 idle connections
// would be the largest thing that they hold
const shared = new Uint8Array(MOST_BYTES);
const sharedView = new DataView(shared.buffer);
// what is received into nearly always, made once: its first bytes, by their number
const beginnings = Array.from({ length: MOST_BYTES + 1 }, (_, size) => shared.subarray(0, size));

/** Receives pieces of one size from one socket, one after the other. One thread. */
export class ExactReceiver {
  readonly #size: number;
  /** The first bytes of a piece whose others have not come yet. */
  #begun: Uint8Array | null = null;

  /**
   * Makes a receiver.
   *
   * @param size Bytes of a piece, 1 to 64.
   */
  constructor(size: number) {
    if (size < 1 || size > MOST_BYTES) throw new RangeError(`Cannot receive pieces of ${size} bytes`);
    this.#size = size;
  }

  /**
   * Receives the rest of a piece.
   *
   * @param fd A non-blocking socket.
   * @returns 1 when {@linkcode view} has a whole piece, 0 when the socket has no more for now, -1 at the end of the stream
   *   or on an error.
   */
  receive(fd: Descriptor): -1 | 0 | 1 {
    let have = 0;
    if (this.#begun !== null) {
      shared.set(this.#begun);
      have = this.#begun.length;
    }
    while (have < this.#size) {
      const count = receive(fd, have === 0 ? beginnings[this.#size] : shared.subarray(have, this.#size));
      if (count > 0) have += count;
      else if (count === -Errno.EAGAIN) {
        this.#begun = have === 0 ? null : shared.slice(0, have);
        return 0;
      } else if (count !== -Errno.EINTR) return -1;
    }
    this.#begun = null;
    return 1;
  }

  /** Whether the first bytes of a piece are here, and others not. */
  get hasBegun(): boolean {
    return this.#begun !== null;
  }

  /** The piece that {@linkcode receive} has completed, until any receiver of this Worker receives again. */
  get view(): DataView {
    return sharedView;
  }
}
