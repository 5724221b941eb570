// buffer_limit: however slow a receiver is, no more than that waits in either program, and every byte arrives.

import { assert, assertEquals } from "../support/assert.ts";
import { assertSameBytes, noise } from "../support/bytes.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { connectionsOf, ignoreWithoutForeignSockets } from "../support/foreign_sockets.ts";
import type { Program } from "../support/program.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const KIB = 1024;
const STREAM = noise(1, 40_000_000);
/**
 * What both ends of the test itself, whose buffers the kernel chooses, may keep on top: without a limit it is much
 * more.
 */
const SLACK = 160 * KIB;

/** Bytes of memory that wait in the sockets of a program, and at most in its pipes. */
function waitingIn(program: Program, limit: number): number {
  let waiting = Math.min(1 << 20, limit / 4);
  for (const socket of connectionsOf(program.pid)) {
    waiting += socket.memory;
    socket[Symbol.dispose]();
  }
  return waiting;
}

for (const [limit, what] of [[256, "the least limit"], [4096, "a limit"], [1_048_576, "the largest limit"]] as const) {
  Deno.test({
    name: `with ${what} a stream to a slow receiver waits within it, in either direction, and arrives whole`,
    ignore: ignoreWithoutForeignSockets(),
    async fn() {
      using service = new Service();
      const flags = ["--work_thread_nums=1", `--buffer_limit=${limit}`];
      await using tunnels = await Tunnels.start(FROM_SOURCE, { slow: service.address }, flags);
      for (const fromVisitor of [true, false]) {
        const [visitor] = await connectCrowd(tunnels.public.get("slow")!, 1);
        const [served] = await service.accept(1);
        const [from, to] = fromVisitor ? [visitor, served] : [served, visitor];
        try {
          let sent = 0;
          let still = 0;
          await awaited("the stream stands still", () => {
            const before = sent;
            for (let count = -1; count !== 0 && sent < STREAM.length;) sent += count = from.send(STREAM.subarray(sent));
            still = sent === before ? still + 1 : 0;
            return still === 40;
          });
          for (const program of [tunnels.server, tunnels.client]) {
            const waiting = waitingIn(program, limit * KIB);
            assert(waiting <= limit * KIB + SLACK, `${waiting} bytes wait in the ${program.name}`);
          }
          await awaited("everything arrives", () => {
            if (sent < STREAM.length) sent += from.send(STREAM.subarray(sent));
            return to.read().count === STREAM.length;
          });
          assertSameBytes(to.take(), STREAM);
        } finally {
          for (const peer of [visitor, served]) peer.close();
        }
      }
      assertEquals((await tunnels.client.stop()).code, 0);
    },
  });
}
