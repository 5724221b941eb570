// Sessions one of whose directions has ended, through the real programs: which are reset after half_close_timeout, and
// which are not.

import { Errno } from "../../ffi/errno.ts";
import { assertEquals } from "../support/assert.ts";
import { assertSameBytes, noise } from "../support/bytes.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { holdingsAfterStart, idleAgain } from "../support/holdings.ts";
import { countersOf } from "../support/inspection.ts";
import type { Peer } from "../support/stage.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const TIMEOUT_MS = 1000;
/** Long enough for the time-out to show, several times. */
const LONG_MS = 4 * TIMEOUT_MS;
const STREAM = noise(1, 4_000_000);

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a peer has read the reset of its connection. */
async function assertReset(what: string, ...peers: Peer[]): Promise<void> {
  await awaited(`${what} is reset`, () => peers.every((peer) => typeof peer.read().state === "number"));
  for (const { state } of peers) assertEquals(state, Errno.ECONNRESET, what);
}

/** Waits until a write fails: whoever has read the end of the stream learns of a reset by that. */
async function assertWriteFails(peer: Peer): Promise<void> {
  await awaited("the reset arrives", () => {
    try {
      peer.send(STREAM.subarray(0, 1));
      return false;
    } catch (error) {
      return /ECONNRESET|EPIPE/.test(String(error));
    }
  });
}

/** Sends for as long as anything is taken. */
async function block(peer: Peer): Promise<number> {
  let sent = 0;
  for (let idle = 0; idle < 20; idle++) {
    const count = peer.send(STREAM.subarray(0, 1 << 16));
    sent += count;
    if (count > 0) idle = 0;
    else await pause(5);
  }
  return sent;
}

Deno.test("a session that stands still behind the end of one direction is reset, and no other", async () => {
  using service = new Service();
  const flags = ["--work_thread_nums=1", `--half_close_timeout=${TIMEOUT_MS}ms`];
  await using tunnels = await Tunnels.start(FROM_SOURCE, { crowd: service.address }, flags);
  const programs = [tunnels.server, tunnels.client];
  const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)];
  const peers: Peer[] = [];
  const session = async (): Promise<[visitor: Peer, service: Peer]> => {
    const [visitor] = await connectCrowd(tunnels.public.get("crowd")!, 1);
    const [served] = await service.accept(1);
    peers.push(visitor, served);
    return [visitor, served];
  };
  const cases: Readonly<Record<string, (visitor: Peer, service: Peer) => Promise<void>>> = {
    async "a service that ignores its visitor's end"(visitor, service) {
      visitor.finish();
      await awaited("the end arrives", () => service.read().state === "end");
      await assertReset("the visitor", visitor);
      await assertWriteFails(service);
    },
    async "a visitor that ignores its service's end"(visitor, service) {
      service.finish();
      await awaited("the end arrives", () => visitor.read().state === "end");
      await assertReset("the service", service);
    },
    async "a visitor that has ended its side and reads nothing of what comes"(visitor, service) {
      await block(service);
      visitor.finish();
      await assertWriteFails(service);
    },
    async "a byte now and then behind the end of the other direction"(visitor, service) {
      visitor.finish();
      for (let at = 0; at < LONG_MS / 100; at++) {
        service.send(STREAM.subarray(at, at + 1));
        await pause(100);
      }
      service.finish();
      await awaited("the end arrives", () => visitor.read().state !== "open");
      assertEquals(visitor.state, "end");
      assertSameBytes(visitor.take(), STREAM.slice(0, LONG_MS / 100));
    },
    async "a reader that takes its time behind the end of the stream"(visitor, service) {
      const deadline = performance.now() + LONG_MS;
      let sent = 0;
      while (visitor.read(1 << 16).state === "open") {
        if (sent < STREAM.length && (sent += service.send(STREAM.subarray(sent))) === STREAM.length) service.finish();
        await pause(performance.now() < deadline ? 100 : 1);
      }
      assertEquals(visitor.state, "end");
      assertSameBytes(visitor.take(), STREAM);
    },
    async "nobody who says anything, and no end"(visitor, service) {
      await pause(LONG_MS);
      visitor.sendAll("still there");
      await awaited("it arrives", () => service.read().count === 11);
      service.finish();
      visitor.finish();
    },
  };
  try {
    const running: Promise<void>[] = [];
    for (const play of Object.values(cases)) running.push(play(...await session()));
    const outcomes = await Promise.allSettled(running);
    outcomes.forEach((outcome, i) => {
      if (outcome.status === "rejected") throw new Error(Object.keys(cases)[i], { cause: outcome.reason });
    });
  } finally {
    for (const peer of peers) peer.close();
  }
  for (const [i, program] of programs.entries()) {
    await idleAgain(program, idle[i]);
    assertEquals((await countersOf(program)).sessionsReset, 3);
  }
});
