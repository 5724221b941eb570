// Begins a connection without waiting for it: the first event of the socket tells how it went.
import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Errno } from "../../ffi/errno.ts";
import { connect, openSocket } from "../../ffi/socket.ts";
import type { SocketAddress } from "../../ffi/socket_address.ts";
import type { EventLoop, Task } from "./event_loop.ts";
import { StreamSocket } from "./stream_socket.ts";

/**
 * Opens a socket and begins to connect it.
 *
 * @param loop The Worker's loop.
 * @param address The peer.
 * @param task Queued when the connection is there or has failed, and at every event after.
 * @param prepare Sets options before the connection is begun.
 * @returns The socket, writable when `takeSocketError` may be asked, or a positive errno.
 */
export function beginConnect(
  loop: EventLoop,
  address: SocketAddress,
  task: Task,
  prepare?: (fd: Descriptor) => void,
): StreamSocket | number {
  const opened = openSocket(address.family);
  if (opened < 0) return -opened;
  const fd = opened as Descriptor;
  prepare?.(fd);
  const result = connect(fd, address);
  if (result < 0 && result !== -Errno.EINPROGRESS) {
    close(fd);
    return -result;
  }
  const socket = new StreamSocket(loop, fd);
  if (socket.failed) {
    socket.close();
    return Errno.ENOSPC;
  }
  socket.task = task;
  return socket;
}
