// A service that sends back what it gets and holds any number of connections, in a process of its own: one loop on the
// project's calls into libc, the same behind every contender. Its argument is the port; it runs until it is ended.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, Poller } from "../../ffi/epoll.ts";
import { checked, Errno } from "../../ffi/errno.ts";
import { accept, listenOn, receive, send, setNoDelay } from "../../ffi/socket.ts";
import { internetAddress } from "../../ffi/socket_address.ts";

const address = internetAddress("127.0.0.1", Number(Deno.args[0]))!;
const listener = checked(listenOn(address), "listen", "starting the echo") as Descriptor;
const poller = new Poller();
const room = new Uint8Array(65536);
// Views of every length that a ping has are made once.
const pieces = new Map<number, Uint8Array>();

function piece(length: number): Uint8Array {
  let view = pieces.get(length);
  if (view === undefined) pieces.set(length, view = room.subarray(0, length));
  return view;
}

/** Sends back what has come; a connection that cannot take it at once, or has ended, is closed. */
function echo(fd: Descriptor): void {
  const count = receive(fd, room);
  if (count === -Errno.EAGAIN) return;
  if (count <= 0 || send(fd, piece(count)) !== count) close(fd);
}

function acceptAll(): void {
  for (;;) {
    const fd = accept(listener);
    if (fd < 0) return;
    setNoDelay(fd as Descriptor);
    poller.add(fd as Descriptor, Epoll.IN, 0);
  }
}

poller.add(listener, Epoll.IN, 0);
console.log("Listening");
for (;;) {
  const count = poller.wait(-1);
  for (let i = 0; i < count; i++) {
    const fd = poller.fdAt(i) as Descriptor;
    if (fd === listener) acceptAll();
    else echo(fd);
  }
}
