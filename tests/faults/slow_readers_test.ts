// A hundred downloads at once whose readers are slow: what nobody takes waits at its source and not in the programs.

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "../support/assert.ts";
import { noise } from "../support/bytes.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { holdingsAfterStart, idleAgain, memoryOf } from "../support/holdings.ts";
import { countersOf, descriptorsOf } from "../support/inspection.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const DOWNLOADS = 100;
const BYTES = 3 << 20;
const STREAM = noise(3, BYTES);
/** Bytes by which the memory of a program may grow: the payload of three downloads. */
const MOST_GROWTH = 3 * BYTES;
/** Pipes that a relay Worker keeps for the next time. */
const KEPT_PIPES = 16;

Deno.test("a hundred slow readers cost the programs no memory to speak of, and get every byte", async () => {
  using service = new Service();
  await using tunnels = await Tunnels.start(FROM_SOURCE, { crowd: service.address }, ["--work_thread_nums=1"]);
  const programs = [tunnels.server, tunnels.client];
  const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)];
  const pipes = programs.map(({ pid }) => descriptorsOf(pid).pipe ?? 0);

  /** All downloads; how much the programs have grown while nobody read. */
  const round = async (): Promise<number[]> => {
    const before = programs.map(memoryOf);
    const visitors = await connectCrowd(tunnels.public.get("crowd")!, DOWNLOADS);
    const services = await service.accept(DOWNLOADS);
    try {
      const sent = services.map(() => 0);
      const received = visitors.map(() => 0);
      const sendAll = () => {
        let progress = 0;
        for (const [i, peer] of services.entries()) {
          if (sent[i] === BYTES) continue;
          const count = peer.send(STREAM.subarray(sent[i], sent[i] + (1 << 18)));
          progress += count;
          if ((sent[i] += count) === BYTES) peer.finish();
        }
        return progress;
      };
      let still = 0;
      await awaited("nothing more is taken", () => (still = sendAll() > 0 ? 0 : still + 1) > 40);
      const grown = programs.map((program, i) => memoryOf(program) - before[i]);
      await awaited("everything arrives", () => {
        sendAll();
        for (const [i, peer] of visitors.entries()) {
          const bytes = peer.read(1 << 16).take();
          const expected = STREAM.subarray(received[i], received[i] + bytes.length);
          assert(Buffer.compare(expected, bytes) === 0, `Wrong bytes from ${received[i]} on`);
          received[i] += bytes.length;
        }
        return visitors.every(({ state }) => state !== "open");
      });
      assertEquals(visitors.filter(({ state }, i) => state !== "end" || received[i] !== BYTES).length, 0);
      return grown;
    } finally {
      for (const peer of [...visitors, ...services]) peer.close();
    }
  };
  await round(); // what the programs need for so many connections they keep
  const grown = await round();
  for (const [i, program] of programs.entries()) {
    assert(grown[i] < MOST_GROWTH, `The ${program.name} grew by ${grown[i]} bytes`);
    await idleAgain(program, idle[i]);
    const left = (descriptorsOf(program.pid).pipe ?? 0) - pipes[i];
    assert(left <= 2 * KEPT_PIPES, `The ${program.name} holds ${left} ends of pipes more than before`);
    const { sessionsOpened, sessionsEnded } = await countersOf(program);
    assertEquals(sessionsEnded, sessionsOpened);
  }
});
