// The measuring end of the ping-pong, in a process of its own: 64 bytes there and back over one connection, one after the
// other. Arguments: port, ms to warm up, ms to measure, most pings. It writes one line of JSON.

import type { Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, Poller } from "../../ffi/epoll.ts";
import { checked, Errno } from "../../ffi/errno.ts";
import { connect, openSocket, receive, send, setNoDelay, takeSocketError } from "../../ffi/socket.ts";
import { internetAddress } from "../../ffi/socket_address.ts";
import { percentile } from "../statistics.ts";

const PING_BYTES = 64;
/** A ping that takes longer is lost. */
const LOST_MS = 5000;

const [port, warmUpMs, measureMs, most] = Deno.args.map(Number);
const address = internetAddress("127.0.0.1", port)!;
const fd = checked(openSocket(address.family), "socket", "starting to ping") as Descriptor;
const poller = new Poller(1);
const bytes = new Uint8Array(PING_BYTES).fill(0x2e);
const room = new Uint8Array(PING_BYTES);
// Made before anything is measured: nothing is allocated per ping.
const times = new Float64Array(most);

/** One ping; its time in ms. */
function ping(): number {
  const start = performance.now();
  const sent = send(fd, bytes);
  if (sent !== PING_BYTES) throw new Error(`Cannot send a ping: ${sent}`);
  for (let missing = PING_BYTES; missing > 0;) {
    const ready = poller.wait(LOST_MS);
    if (ready === 0) throw new Error(`A ping was lost: no answer within ${LOST_MS} ms`);
    const count = receive(fd, room);
    if (count > 0) missing -= count;
    else if (count !== -Errno.EAGAIN) throw new Error(`The connection broke: ${count}`);
  }
  return performance.now() - start;
}

/** Pings until the time is over or `limit` pings are done; how many were. */
function pingFor(ms: number, limit: number): number {
  const end = performance.now() + ms;
  let done = 0;
  while (done < limit && performance.now() < end) times[done++] = ping();
  return done;
}

setNoDelay(fd);
const pending = connect(fd, address);
if (pending !== 0 && pending !== -Errno.EINPROGRESS) checked(pending, "connect", `to port ${port}`);
poller.add(fd, Epoll.OUT, 0);
if (poller.wait(LOST_MS) !== 1) throw new Error("Cannot connect in time");
checked(-takeSocketError(fd), "connect", `to port ${port}`);
poller.modify(fd, Epoll.IN, 0);

pingFor(warmUpMs, most);
const count = pingFor(measureMs, most);
const sorted = times.subarray(0, count).sort();
const [p50, p99, p999] = [50, 99, 99.9].map((p) => percentile(sorted, p));
console.log(JSON.stringify({ count, p50, p99, p999 }));
Deno.exit(0);
