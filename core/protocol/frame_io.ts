// Between a socket and frames: what comes in goes where a reader has room, what a writer holds goes out. It knows no frame.
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { receive, send } from "../../ffi/socket.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import type { FrameBuffer } from "./frame_buffer.ts";

/**
 * Receives once.
 *
 * @param socket A socket that may have something to read; it is noted when there is no more for now.
 * @param room Where to, not empty.
 * @returns How many bytes came, 0 when none did for now; or why the connection is over.
 */
export function receiveInto(socket: StreamSocket, room: Uint8Array): number | string {
  const count = receive(socket.fd, room);
  if (count > 0) {
    // a short read has emptied the socket, unless the end of the stream is to be read (epoll(7))
    if (count < room.length && !socket.hungUp) socket.readable = false;
    return count;
  }
  if (count === 0) return "closed by the peer";
  if (count === -Errno.EAGAIN) socket.readable = false;
  else if (count !== -Errno.EINTR) return errnoWords(-count);
  return 0;
}

/**
 * Sends what a writer holds, until that is all or the socket takes no more.
 *
 * @returns Why the connection is over, or null.
 */
export function sendPending(socket: StreamSocket, writer: FrameBuffer): string | null {
  while (writer.length > 0 && socket.writable) {
    const count = send(socket.fd, writer.bytes());
    if (count >= 0) writer.consume(count);
    else if (count === -Errno.EAGAIN) socket.writable = false;
    else if (count !== -Errno.EINTR) return errnoWords(-count);
  }
  return null;
}
