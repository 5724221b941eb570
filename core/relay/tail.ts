// Closing a connection whose peer has not taken the last bytes yet: a receiver that pauses. The kernel would soon give
// up what nobody has a descriptor for any more (tcp_orphan_retries, tcp(7)), and the end of a whole stream would be a
// reset.
import { shutdownWrite, unsentBytes, waitingBytes } from "../../ffi/socket.ts";
import type { Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** The rest of a stream that its receiver has not taken. `PeerSweep` finds out when there is no receiver any more. */
export class Tail implements Task {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #socket: StreamSocket;
  readonly #onClosed: () => void;

  /** Takes over a connection that is to be closed. */
  constructor(socket: StreamSocket, onClosed: () => void) {
    this.#socket = socket;
    this.#onClosed = onClosed;
    // it is complete: what has come so far is to arrive even if this process ends
    socket.unguard();
    shutdownWrite(socket.fd);
    socket.task = this;
  }

  /** An event: everything is acknowledged, or the peer has reset the connection. */
  run(): void {
    if (!this.#socket.failed && unsentBytes(this.#socket.fd) > 0) return;
    this.#socket.close();
    this.#onClosed();
  }

  /** Its peer has not answered for too long. */
  onPeerGone(): void {
    this.#socket.reset();
    this.#onClosed();
  }
}

/**
 * Closes a connection in order: at once where all that was written has left for the peer, or when the peer has taken it.
 *
 * @param socket The connection; its events are nobody else's from now on.
 * @param onClosed Called when it is closed, which may be at once.
 */
export function closeBehindTail(socket: StreamSocket, onClosed: () => void): void {
  if (socket.isOpen && !socket.failed && waitingBytes(socket.fd) > 0) return void new Tail(socket, onClosed);
  socket.close();
  onClosed();
}
