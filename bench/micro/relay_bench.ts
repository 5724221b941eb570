// One turn of a loop that relays: a message comes in at one socket and leaves at the other, through the kernel's own
// loopback. The ends of the test are part of the time; the first benchmark shows what they take alone.

import { Relay } from "../../core/relay/relay.ts";
import { placeOf, RelayCounters, type TunnelRow } from "../../core/relay/counters.ts";
import { PipePool } from "../../core/relay/pipe_pool.ts";
import type { Task } from "../../core/reactor/event_loop.ts";
import { receive, send } from "../../ffi/socket.ts";
import { connectedPair, Stage } from "../../tests/support/stage.ts";

const stage = new Stage();
const pipes = new PipePool();
const relay = new Relay({ pipes, counters: new RelayCounters(1, 1).block(0) });
const { socket: endpoint, peer: client } = stage.connect();
const { socket: proxy, peer: server } = stage.connect();
const [bareFrom, bareTo] = connectedPair();
const task: Task = {
  queued: false,
  run() {
    if (relay.pump(endpoint, proxy)) stage.loop.enqueue(task);
  },
};
endpoint.task = proxy.task = task;
relay.begin(placeOf(0 as TunnelRow));
relay.out.open = relay.in.open = true;

function through(message: Uint8Array, room: Uint8Array): void {
  send(client.fd, message);
  for (let count = 0; count < message.length;) {
    stage.loop.turn();
    const result = receive(server.fd, room);
    if (result > 0) count += result;
  }
}

function bare(message: Uint8Array, room: Uint8Array): void {
  send(bareFrom, message);
  for (let count = 0; count < message.length;) {
    const result = receive(bareTo, room);
    if (result > 0) count += result;
  }
}

for (const bytes of [64, 65536]) {
  const [message, room] = [new Uint8Array(bytes), new Uint8Array(bytes)];
  const group = `relay: ${bytes} bytes`;
  Deno.bench(`${bytes} bytes sent and received, no relay`, { group, baseline: true }, () => bare(message, room));
  Deno.bench(`${bytes} bytes through a relay`, { group }, () => through(message, room));
}
