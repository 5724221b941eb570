// epoll, eventfd and pipes of the kernel, as ffi/ gives them to the program.

import { close, type Descriptor, write } from "../ffi/descriptor.ts";
import { Epoll, Poller } from "../ffi/epoll.ts";
import { Errno } from "../ffi/errno.ts";
import { openEventfd, signalEventfd } from "../ffi/eventfd.ts";
import { getPipeCapacity, openPipe, type PipeEnds, setPipeCapacity, splice } from "../ffi/pipe.ts";
import { raiseDescriptorLimit } from "../ffi/process.ts";
import { receive, send } from "../ffi/socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { noise } from "./support/bytes.ts";
import { testDescriptors } from "./support/descriptors.ts";
import { connectedPair } from "./support/stage.ts";

testDescriptors("an event carries its bits, its descriptor and its tag, whatever their signs", () => {
  const poller = new Poller();
  const tags = [0, 1, -1, 0x7fff_ffff, -0x8000_0000];
  const fds = tags.map(() => openEventfd());
  fds.forEach((fd, i) => assertEquals(poller.add(fd, Epoll.IN | Epoll.ET, tags[i]), 0));
  assertEquals(poller.wait(0), 0);
  for (const fd of fds) signalEventfd(fd);
  assertEquals(poller.wait(-1), tags.length);
  const seen = tags.map((_, i) => [poller.eventsAt(i), poller.fdAt(i), poller.tagAt(i)]);
  assertEquals(
    seen.toSorted((a, b) => a[1] - b[1]),
    fds.map((fd, i) => [Epoll.IN as number, fd as number, tags[i]]).toSorted((a, b) => a[1] - b[1]),
  );
  assertEquals(poller.wait(0), 0, "an edge is told once");
  for (const fd of fds) close(fd);
  poller.close();
});

testDescriptors("no more events are told at a time than there is room for, and the rest the next time", () => {
  const poller = new Poller(2);
  const fds = Array.from({ length: 5 }, () => openEventfd());
  for (const fd of fds) {
    poller.add(fd, Epoll.IN | Epoll.ET, 0);
    signalEventfd(fd);
  }
  const seen = new Set<number>();
  for (let count = poller.wait(0); count > 0; count = poller.wait(0)) {
    assert(count <= 2);
    for (let i = 0; i < count; i++) seen.add(poller.fdAt(i));
  }
  assertEquals(seen, new Set<number>(fds));
  for (const fd of fds) close(fd);
  poller.close();
});

testDescriptors("a registration can be changed and ended, and a mistake is an errno", () => {
  const poller = new Poller();
  const fd = openEventfd();
  signalEventfd(fd);
  assertEquals(poller.add(fd, 0, 1), 0);
  assertEquals(poller.wait(0), 0);
  assertEquals(poller.add(fd, Epoll.IN, 1), -Errno.EEXIST);
  assertEquals(poller.modify(fd, Epoll.IN, 2), 0);
  assertEquals([poller.wait(0), poller.tagAt(0)], [1, 2]);
  assertEquals(poller.wait(0), 1, "without edges it is told again and again");
  assertEquals(poller.remove(fd), 0);
  assertEquals(poller.wait(0), 0);
  assertEquals([poller.remove(fd), poller.modify(fd, Epoll.IN, 0)], [-2, -2]);
  close(fd);
  poller.close();
});

testDescriptors("an eventfd gives an edge for every signal, though nothing is read from it", () => {
  const poller = new Poller();
  const fd = openEventfd();
  poller.add(fd, Epoll.IN | Epoll.ET, 0);
  for (let i = 0; i < 100; i++) {
    signalEventfd(fd);
    assertEquals([poller.wait(0), poller.wait(0)], [1, 0]);
  }
  close(fd);
  poller.close();
});

/** A pipe between two connections: what comes in at one leaves at the other. */
function withPipe(body: (pipe: PipeEnds, source: [Descriptor, Descriptor], sink: [Descriptor, Descriptor]) => void) {
  const pipe = openPipe() as PipeEnds;
  const [source, sink] = [connectedPair(), connectedPair()];
  try {
    body(pipe, source, sink);
  } finally {
    for (const fd of [pipe.readEnd, pipe.writeEnd, ...source, ...sink]) close(fd);
  }
}

testDescriptors("splice moves bytes from socket to pipe to socket, and tells the end of the stream", () => {
  withPipe((pipe, [from, source], [sink, to]) => {
    assertEquals(splice(source, pipe.writeEnd, 100), -Errno.EAGAIN, "nothing to read");
    const bytes = noise(1, 5000);
    send(from, bytes);
    assertEquals(splice(source, pipe.writeEnd, 4000), 4000);
    assertEquals(splice(source, pipe.writeEnd, 4000), 1000);
    assertEquals(splice(pipe.readEnd, sink, 10_000), 5000);
    assertEquals(splice(pipe.readEnd, sink, 10_000), -Errno.EAGAIN, "the pipe is empty");
    const room = new Uint8Array(6000);
    assertEquals(receive(to, room), 5000);
    assertEquals(room.subarray(0, 5000), bytes);
  });
});

testDescriptors("a pipe is full by slots, which EAGAIN does not tell from an empty source", () => {
  withPipe((pipe, [from, source], [sink]) => {
    assertEquals(setPipeCapacity(pipe.readEnd, 1), 4096);
    assertEquals(getPipeCapacity(pipe.writeEnd), 4096);
    send(from, noise(1, 1));
    assertEquals(splice(source, pipe.writeEnd, 100), 1);
    send(from, noise(1, 1));
    assertEquals(splice(source, pipe.writeEnd, 100), -Errno.EAGAIN);
    assertEquals(splice(pipe.readEnd, sink, 100), 1);
    assertEquals(splice(source, pipe.writeEnd, 100), 1);
  });
});

testDescriptors("what was written to a pipe comes out of it", () => {
  withPipe((pipe, _source, [sink, to]) => {
    const bytes = noise(2, 100);
    assertEquals(write(pipe.writeEnd, bytes), 100);
    assertEquals(splice(pipe.readEnd, sink, 100), 100);
    const room = new Uint8Array(200);
    assertEquals(room.subarray(0, receive(to, room)), bytes);
  });
});

Deno.test("the descriptor limit is raised as far as it goes, and again is nothing", () => {
  const limit = raiseDescriptorLimit();
  const [, soft, hard] = /Max open files\s+(\d+)\s+(\d+)/.exec(Deno.readTextFileSync("/proc/self/limits"))!;
  assertEquals([limit, Number(soft)], [Number(hard), Number(hard)]);
  assertEquals(raiseDescriptorLimit(), limit);
});
