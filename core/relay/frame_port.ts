// The frames of a Worker's ProxyConns, of fixed size, received and sent without touching the payload behind and in front of
// them. A ProxyConn takes room here only while a frame of its own is under way in part, which is rare.
import { Errno } from "../../ffi/errno.ts";
import { send } from "../../ffi/socket.ts";
import { PROXY_FRAME_BYTES } from "../protocol/proxy_frame.ts";
import { ExactReceiver } from "../reactor/exact_receiver.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** See the file's head. One thread. */
export class FramePort {
  /** Has nothing of any frame. */
  #receiver = new ExactReceiver(PROXY_FRAME_BYTES);
  /** By the ProxyConn's socket: frames of which a part is here. */
  readonly #begun = new Map<StreamSocket, ExactReceiver>();
  /** By the ProxyConn's socket: what it did not take. */
  readonly #unsent = new Map<StreamSocket, Uint8Array>();

  /** The frame that {@linkcode receive} has completed, until any other one is received. */
  get frame(): DataView {
    return this.#receiver.view;
  }

  /** Whether frames for this socket wait to be sent: payload must not overtake a frame. */
  hasUnsent(socket: StreamSocket): boolean {
    return this.#unsent.size > 0 && this.#unsent.has(socket);
  }

  /**
   * Receives the rest of a frame, and not one byte behind it.
   *
   * @param socket The ProxyConn's.
   * @returns 1 when {@linkcode frame} is complete, 0 when it is not yet, -1 at the end of the stream, or on an error.
   */
  receive(socket: StreamSocket): -1 | 0 | 1 {
    const begun = this.#begun.size > 0 ? this.#begun.get(socket) : undefined;
    const receiver = begun ?? this.#receiver;
    const received = receiver.receive(socket.fd);
    if (received === 0) socket.readable = false;
    if (begun !== undefined) {
      if (received !== 0) this.#begun.delete(socket);
    } else if (receiver.hasBegun) {
      this.#begun.set(socket, receiver);
      this.#receiver = new ExactReceiver(PROXY_FRAME_BYTES);
    }
    return received;
  }

  /**
   * Sends a frame; what the socket does not take is kept and comes first when it does.
   *
   * @param socket The ProxyConn's.
   * @param frame The frame.
   * @param more Whether payload follows in this turn for certain: it then shares a segment with the frame.
   * @returns False when the ProxyConn is broken.
   */
  send(socket: StreamSocket, frame: Uint8Array, more = false): boolean {
    const unsent = this.#unsent.get(socket);
    if (unsent === undefined) {
      const count = send(socket.fd, frame, more);
      return count === frame.length || this.#keep(socket, frame, count);
    }
    const both = new Uint8Array(unsent.length + frame.length);
    both.set(unsent);
    both.set(frame, unsent.length);
    this.#unsent.set(socket, both);
    return this.flush(socket);
  }

  /** Sends what was kept for this socket. False when the ProxyConn is broken. */
  flush(socket: StreamSocket): boolean {
    if (this.#unsent.size === 0) return true;
    for (let unsent = this.#unsent.get(socket); unsent !== undefined && socket.writable;) {
      const count = send(socket.fd, unsent);
      if (count === unsent.length) this.#unsent.delete(socket);
      else if (!this.#keep(socket, unsent, count)) return false;
      unsent = this.#unsent.get(socket);
    }
    return true;
  }

  /** What a send that did not take everything means: no room until the next edge, or the end. */
  #keep(socket: StreamSocket, bytes: Uint8Array, count: number): boolean {
    this.#unsent.set(socket, bytes.slice(Math.max(count, 0)));
    if (count === -Errno.EAGAIN) socket.writable = false;
    return count > 0 || count === -Errno.EAGAIN || count === -Errno.EINTR;
  }

  /** Drops what there is of this socket's frames: it is closed, or not a ProxyConn any more. */
  forget(socket: StreamSocket): void {
    if (this.#begun.size > 0) this.#begun.delete(socket);
    if (this.#unsent.size > 0) this.#unsent.delete(socket);
  }
}
