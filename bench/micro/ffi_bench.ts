// What a call into libc costs: the calls of the hot path when there is nothing to do, and with one byte or page.

import { Errno } from "../../ffi/errno.ts";
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, Poller } from "../../ffi/epoll.ts";
import { openEventfd, signalEventfd } from "../../ffi/eventfd.ts";
import { openPipe, type PipeEnds, setPipeCapacity, splice } from "../../ffi/pipe.ts";
import { receive, send } from "../../ffi/socket.ts";
import { connectedPair } from "../../tests/support/stage.ts";

const [near, far] = connectedPair();
const pipe = openPipe() as PipeEnds;
setPipeCapacity(pipe.readEnd, 1 << 20);
const eventfd = openEventfd() as Descriptor;
const poller = new Poller();
poller.add(near, Epoll.IN, 0);
const page = new Uint8Array(4096);

function expect(actual: number, expected: number): void {
  if (actual !== expected) throw new Error(`A call gave ${actual} instead of ${expected}`);
}

Deno.bench("epoll_wait: no event", { group: "ffi: nothing to do", baseline: true }, () => {
  expect(poller.wait(0), 0);
});

Deno.bench("recv: EAGAIN", { group: "ffi: nothing to do" }, () => {
  expect(receive(near, page), -Errno.EAGAIN);
});

Deno.bench("splice: EAGAIN", { group: "ffi: nothing to do" }, () => {
  expect(splice(near, pipe.writeEnd, 1 << 20), -Errno.EAGAIN);
});

Deno.bench("eventfd: signal", { group: "ffi: nothing to do" }, () => {
  signalEventfd(eventfd);
});

Deno.bench("send + recv of 4 KiB", { group: "ffi: 4 KiB over loopback", baseline: true }, () => {
  expect(send(far, page), page.length);
  expect(receive(near, page), page.length);
});

Deno.bench("send + splice into a pipe and back + recv of 4 KiB", { group: "ffi: 4 KiB over loopback" }, () => {
  expect(send(far, page), page.length);
  expect(splice(near, pipe.writeEnd, 1 << 20), page.length);
  expect(splice(pipe.readEnd, near, page.length), page.length);
  expect(receive(far, page), page.length);
});
