// A program without privileges that uses up what the kernel grants a user in pipe memory (pipe(7),
// fs.pipe-user-pages-soft), and then moves bytes through the pipes that it still gets.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { getPipeCapacity, openPipe, type PipeEnds, setPipeCapacity } from "../../ffi/pipe.ts";
import type { Task } from "../../core/reactor/event_loop.ts";
import { Flow, FlowStatus } from "../../core/relay/flow.ts";
import { PipePool } from "../../core/relay/pipe_pool.ts";
import { assertSameBytes, noise } from "./bytes.ts";
import { Stage } from "./stage.ts";

const NOBODY = 65_534;
const MEBIBYTE = 1 << 20;

// everything is loaded: from here on no file is needed
const { setuid } = Deno.dlopen("libc.so.6", { setuid: { parameters: ["u32"], result: "i32" } }).symbols;
if (Deno.uid() === 0 && setuid(NOBODY) < 0) throw new Error("Cannot give up root");

const hoard: Descriptor[] = [];
for (;;) {
  const pipe = openPipe() as PipeEnds;
  hoard.push(pipe.readEnd, pipe.writeEnd);
  // the largest first, then by halves, until a new pipe is no larger than two pages
  for (let bytes = MEBIBYTE; bytes > 8192 && setPipeCapacity(pipe.readEnd, bytes) < 0; bytes /= 2);
  if (getPipeCapacity(pipe.readEnd) <= 8192) break;
}

const stage = new Stage();
const pipes = new PipePool();
const pipe = pipes.take()!;
pipes.give(pipe);
const { socket: source, peer: from } = stage.connect();
const { socket: destination, peer: to } = stage.connect();
const flow = new Flow({ pipes, counters: new Float64Array(1) });
const task: Task = {
  queued: false,
  run() {
    if (!flow.ended && flow.pump(source, destination) === FlowStatus.MORE) stage.loop.enqueue(task);
  },
};
source.task = destination.task = task;
const bytes = noise(1, 300_000);
let sent = 0;
stage.until(() => {
  if (sent < bytes.length && (sent += from.send(bytes.subarray(sent))) === bytes.length) from.finish();
  to.read();
  return flow.ended;
}, "the end of the stream");
const arrived = to.read().take();
assertSameBytes(arrived, bytes);
console.log(`${pipe.slots} slots moved ${arrived.length} bytes`);
pipes.dispose();
stage.dispose();
for (const fd of hoard) close(fd);
