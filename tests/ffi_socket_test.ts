// Stream sockets of the kernel, as ffi/ gives them to the program.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { checked, Errno, errnoName, errnoWords, SystemError } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import {
  accept,
  connect,
  lastAddress,
  listenOn,
  localAddress,
  openSocket,
  peerAddress,
  receive,
  resetOnClose,
  send,
  setDeferAccept,
  setKeepalive,
  setLongestRepeat,
  setNoDelay,
  shutdownWrite,
  takeSocketError,
} from "../ffi/socket.ts";
import { Family, formatAddress, internetAddress, portOf, unixAddress } from "../ffi/socket_address.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { noise } from "./support/bytes.ts";
import { testDescriptors, withoutDescriptors } from "./support/descriptors.ts";
import { accepted, connectedPair, listenSomewhere } from "./support/stage.ts";

const F_GETFD = 1;
const F_GETFL = 3;
const FD_CLOEXEC = 1;
const O_NONBLOCK = 0o4000;

/** An integer option of a socket. */
function option(fd: Descriptor, level: number, name: number): number {
  const value = new Int32Array(1);
  checked(libc.getsockopt(fd, level, name, value, Int32Array.of(4)), "getsockopt", "testing");
  return value[0];
}

function withPair(body: (near: Descriptor, far: Descriptor) => void): void {
  const [near, far] = connectedPair();
  try {
    body(near, far);
  } finally {
    close(near);
    close(far);
  }
}

testDescriptors("a connection knows both its addresses, and accept tells the peer's", () => {
  const { fd: listener, address } = listenSomewhere();
  const near = openSocket(Family.INET) as Descriptor;
  assertEquals(connect(near, address), -Errno.EINPROGRESS);
  const far = accepted(listener);
  assertEquals(lastAddress(), localAddress(near)!);
  assertEquals([peerAddress(near), localAddress(far)], [address, address]);
  assertEquals(takeSocketError(near), 0);
  for (const fd of [near, far, listener]) close(fd);
});

testDescriptors("every descriptor is non-blocking and is not inherited by child processes", () => {
  withPair((near, far) => {
    const { fd: listener } = listenSomewhere();
    for (const fd of [near, far, listener]) {
      assertEquals(libc.fcntl(fd, F_GETFD, 0) & FD_CLOEXEC, FD_CLOEXEC);
      assertEquals(libc.fcntl(fd, F_GETFL, 0) & O_NONBLOCK, O_NONBLOCK);
    }
    assertEquals(accept(listener), -Errno.EAGAIN);
    assertEquals(receive(near, new Uint8Array(1)), -Errno.EAGAIN);
    close(listener);
  });
});

testDescriptors("a port that is taken cannot be listened on, and can be at once when it is free", () => {
  const { fd, address } = listenSomewhere();
  assertEquals(listenOn(address), -Errno.EADDRINUSE);
  close(fd);
  const again = listenOn(address) as Descriptor;
  assert(again >= 0, errnoName(-again));
  close(again);
});

testDescriptors("an address of another host cannot be listened on", () => {
  assertEquals(listenOn(internetAddress("192.0.2.1", 0)!), -Errno.EADDRNOTAVAIL);
});

testDescriptors("a connection to an abstract unix socket comes to the program that listens there", () => {
  const address = unixAddress(`@cproxy-test-${Deno.pid}`);
  const listener = listenOn(address) as Descriptor;
  assert(listener >= 0, errnoName(-listener));
  const near = openSocket(Family.UNIX) as Descriptor;
  assertEquals(connect(near, address), 0);
  const far = accepted(listener);
  assertEquals(
    [formatAddress(localAddress(listener)!), formatAddress(peerAddress(near)!)],
    Array(2).fill(formatAddress(address)),
  );
  const absent = openSocket(Family.UNIX) as Descriptor;
  assertEquals(connect(absent, unixAddress(`@cproxy-test-${Deno.pid}-`)), -Errno.ECONNREFUSED);
  for (const fd of [near, far, absent, listener]) close(fd);
});

testDescriptors("listening on :: takes IPv4 as well, and such a visitor is written as IPv4", () => {
  const listener = listenOn(internetAddress("::", 0)!) as Descriptor;
  // a kernel that was started without IPv6 has nothing to show
  if (errnoName(-listener) === "EAFNOSUPPORT") return;
  assert(listener >= 0, errnoName(-listener));
  const near = openSocket(Family.INET) as Descriptor;
  connect(near, internetAddress("127.0.0.1", portOf(localAddress(listener)!))!);
  const far = accepted(listener);
  assert(formatAddress(lastAddress()).startsWith("127.0.0.1:"));
  for (const fd of [near, far, listener]) close(fd);
});

testDescriptors("without descriptors sockets and listeners are refused with EMFILE", () => {
  withoutDescriptors(() => {
    assertEquals(openSocket(Family.INET), -Errno.EMFILE);
    assertEquals(listenOn(internetAddress("127.0.0.1", 0)!), -Errno.EMFILE);
  });
});

testDescriptors("bytes arrive as they were sent, up to the end of the stream", () => {
  withPair((near, far) => {
    const bytes = noise(1, 1000);
    assertEquals(send(near, bytes), 1000);
    assertEquals(shutdownWrite(near), 0);
    const room = new Uint8Array(2000);
    assertEquals(receive(far, room), 1000);
    assertEquals(room.subarray(0, 1000), bytes);
    assertEquals(receive(far, room), 0);
    assertEquals(send(near, bytes), -Errno.EPIPE);
    assertEquals(send(far, bytes), 1000, "the other direction goes on");
  });
});

testDescriptors("a send into a full socket takes a part, then nothing", () => {
  withPair((near) => {
    const bytes = noise(1, 1 << 20);
    let sent = 0;
    let count = 0;
    while ((count = send(near, bytes)) > 0) sent += count;
    assertEquals(count, -Errno.EAGAIN);
    assert(sent > 0);
  });
});

testDescriptors("bytes of which more was to follow leave when it does", () => {
  withPair((near, far) => {
    assertEquals(send(near, new TextEncoder().encode("head "), true), 5);
    assertEquals(send(near, new TextEncoder().encode("and body")), 8);
    const room = new Uint8Array(100);
    assertEquals(new TextDecoder().decode(room.subarray(0, receive(far, room))), "head and body");
  });
});

testDescriptors("closing a socket that was told to reset is a reset for the peer", () => {
  const [near, far] = connectedPair();
  send(near, noise(1, 10));
  resetOnClose(near);
  close(near);
  const room = new Uint8Array(100);
  assertEquals(receive(far, room), 10, "what had arrived can be read");
  assertEquals(receive(far, room), -Errno.ECONNRESET);
  assertEquals(shutdownWrite(far), -Errno.ENOTCONN);
  close(far);
});

testDescriptors("the outcome of a refused connect is the socket's error, once", () => {
  const { fd: listener, address } = listenSomewhere();
  close(listener);
  const fd = openSocket(Family.INET) as Descriptor;
  connect(fd, address);
  assertEquals([takeSocketError(fd), takeSocketError(fd)], [Errno.ECONNREFUSED, 0]);
  assertEquals(peerAddress(fd), null);
  close(fd);
});

testDescriptors("a unix socket is connected at once", () => {
  const folder = Deno.makeTempDirSync({ prefix: "cproxy-" });
  const address = unixAddress(`${folder}/app.sock`);
  const listener = listenOn(address) as Descriptor;
  const near = openSocket(Family.UNIX) as Descriptor;
  assertEquals(connect(near, address), 0);
  const far = accepted(listener);
  assertEquals(formatAddress(localAddress(listener)!), formatAddress(address));
  assertEquals(send(near, noise(1, 5)), 5);
  assertEquals(receive(far, new Uint8Array(10)), 5);
  for (const fd of [near, far, listener]) close(fd);
  Deno.removeSync(folder, { recursive: true });
});

testDescriptors("options reach the kernel, and what a listener has is inherited", () => {
  const { fd: listener, address } = listenSomewhere();
  setNoDelay(listener);
  setKeepalive(listener, 61, 7);
  setLongestRepeat(listener, 12_000);
  const near = openSocket(Family.INET) as Descriptor;
  connect(near, address);
  const far = accepted(listener);
  // SOL_SOCKET: SO_KEEPALIVE; IPPROTO_TCP: TCP_NODELAY, TCP_KEEPIDLE, TCP_KEEPINTVL, TCP_KEEPCNT
  const options = [[1, 9], [6, 1], [6, 4], [6, 5], [6, 6]];
  assertEquals(options.map(([level, name]) => option(far, level, name)), [1, 1, 61, 7, 3]);
  // TCP_RTO_MAX_MS, where there is one: since Linux 6.15
  if (libc.getsockopt(far, 6, 44, new Int32Array(1), Int32Array.of(4)) === 0) assertEquals(option(far, 6, 44), 12_000);
  for (const fd of [near, far, listener]) close(fd);
});

testDescriptors("a listener that defers hands a connection over with its first bytes", () => {
  const { fd: listener, address } = listenSomewhere();
  setDeferAccept(listener, 3);
  const near = openSocket(Family.INET) as Descriptor;
  connect(near, address);
  assertEquals(accept(listener), -Errno.EAGAIN);
  send(near, noise(1, 8));
  const far = accepted(listener);
  assertEquals(receive(far, new Uint8Array(100)), 8);
  for (const fd of [near, far, listener]) close(fd);
});

Deno.test("a failed call is told with its name, its errno and what was being done", () => {
  const error = assertThrows(() => checked(-98, "bind", "listening on 0.0.0.0:80"), SystemError);
  assertEquals(error.message, "Cannot bind: EADDRINUSE while listening on 0.0.0.0:80");
  assertEquals([error.call, error.code, checked(7, "bind", "x")], ["bind", 98, 7]);
  assertEquals([errnoName(11), errnoName(2), errnoName(250)], ["EAGAIN", "ENOENT", "errno 250"]);
  assertEquals([errnoWords(111), errnoWords(88), errnoWords(250)], ["connection refused", "ENOTSOCK", "errno 250"]);
  // what a connect to a path may say (unix(7), path_resolution(7))
  for (const code of [1, 2, 5, 6, 13, 20, 36, 40, 91]) assertEquals(errnoWords(code).match(/^errno|^E[A-Z]/), null);
});

Deno.test("closing what is not open is an errno, not an exception", () => {
  assertEquals(close(1_000_000 as Descriptor), -9);
});
