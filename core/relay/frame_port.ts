// The frames of one ProxyConn, of fixed size, received and sent without touching the payload behind and in front of them.
import { Errno } from "../../ffi/errno.ts";
import { send } from "../../ffi/socket.ts";
import { PROXY_FRAME_BYTES } from "../protocol/proxy_frame.ts";
import { ExactReceiver } from "../reactor/exact_receiver.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** See the file's head. One thread. */
export class FramePort {
  readonly #socket: StreamSocket;
  readonly #receiver = new ExactReceiver(PROXY_FRAME_BYTES);
  #unsent: Uint8Array | null = null;

  /** Joins it to a ProxyConn's socket. */
  constructor(socket: StreamSocket) {
    this.#socket = socket;
  }

  /** The frame that {@linkcode receive} has completed, until any other one is received. */
  get frame(): DataView {
    return this.#receiver.view;
  }

  /** Whether frames wait to be sent: payload must not overtake them. */
  get hasUnsent(): boolean {
    return this.#unsent !== null;
  }

  /**
   * Receives the rest of a frame, and not one byte behind it.
   *
   * @returns 1 when {@linkcode frame} is complete, 0 when it is not yet, -1 at the end of the stream, or on an error.
   */
  receive(): -1 | 0 | 1 {
    const received = this.#receiver.receive(this.#socket.fd);
    if (received === 0) this.#socket.readable = false;
    return received;
  }

  /**
   * Sends a frame; what the socket does not take is kept and comes first when it does.
   *
   * @param frame The frame.
   * @param more Whether payload follows in this turn for certain: it then shares a segment with the frame.
   * @returns False when the ProxyConn is broken.
   */
  send(frame: Uint8Array, more = false): boolean {
    if (this.#unsent === null) {
      const count = send(this.#socket.fd, frame, more);
      if (count === frame.length) return true;
      this.#unsent = frame.slice(Math.max(count, 0));
      return this.#after(count);
    }
    const both = new Uint8Array(this.#unsent.length + frame.length);
    both.set(this.#unsent);
    both.set(frame, this.#unsent.length);
    this.#unsent = both;
    return this.flush();
  }

  /** Sends what was kept. False when the ProxyConn is broken. */
  flush(): boolean {
    while (this.#unsent !== null && this.#socket.writable) {
      const count = send(this.#socket.fd, this.#unsent);
      if (count === this.#unsent.length) this.#unsent = null;
      else {
        if (count > 0) this.#unsent = this.#unsent.slice(count);
        if (!this.#after(count)) return false;
      }
    }
    return true;
  }

  /** What a send that did not take everything means: no room until the next edge, or the end. */
  #after(count: number): boolean {
    if (count === -Errno.EAGAIN) this.#socket.writable = false;
    return count > 0 || count === -Errno.EAGAIN || count === -Errno.EINTR;
  }
}
