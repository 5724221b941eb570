// Five thousand connections that do nothing, or nothing more in one direction, beside ordinary traffic.

import { assert, assertEquals } from "../support/assert.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { holdingsAfterStart, idleAgain, memoryOf, pooledAgain } from "../support/holdings.ts";
import { countersOf } from "../support/inspection.ts";
import type { Peer } from "../support/stage.ts";
import { Traffic } from "../support/traffic.ts";
import { startTransferService } from "../support/transfers.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const CONNECTIONS = 5000;
/** Connections that are begun at a time. */
const BATCH = 500;
const TRANSFER_BYTES = 4 << 20;
/** Bytes of memory that a connection may cost either program, and by which either may grow from round to round. */
const MOST_PER_CONNECTION = 16 << 10;
const MOST_GROWTH = 16 << 20;

/** Each of them reads this text, and then the end of the stream. */
async function assertEnded(peers: readonly Peer[], text: string): Promise<void> {
  let ended = 0;
  await awaited("all streams end", () => {
    while (ended < peers.length && peers[ended].read().state !== "open") ended++;
    return ended === peers.length;
  });
  for (const peer of peers) assertEquals([peer.state, peer.text()], ["end", text]);
}

/** All of them send this text, if any, and end their side. */
function finishAll(peers: readonly Peer[], text = ""): void {
  for (const peer of peers) {
    if (text !== "") peer.sendAll(text);
    peer.finish();
  }
}

Deno.test("five thousand connections that stand still cost little, disturb nobody and leave nothing", async (t) => {
  using service = new Service();
  await using transfers = startTransferService(TRANSFER_BYTES);
  const localServers = { crowd: service.address, transfers: transfers.address };
  await using tunnels = await Tunnels.start(FROM_SOURCE, localServers, ["--work_thread_nums=1"]);
  const programs = [tunnels.server, tunnels.client];
  const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)];
  const pooled = await Promise.all(programs.map((program) => pooledAgain(program)));
  const traffic = new Traffic(tunnels.public.get("transfers")!, TRANSFER_BYTES);

  /** Makes all connections, and lets `play` end them; the memory of the programs after. */
  const round = async (play: (visitors: Peer[], services: Peer[]) => Promise<void>): Promise<number[]> => {
    const before = programs.map(memoryOf);
    const visitors: Peer[] = [];
    const services: Peer[] = [];
    try {
      while (visitors.length < CONNECTIONS) {
        visitors.push(...await connectCrowd(tunnels.public.get("crowd")!, BATCH));
        services.push(...await service.accept(BATCH));
      }
      programs.forEach((program, i) => {
        const each = (memoryOf(program) - before[i]) / CONNECTIONS;
        assert(each < MOST_PER_CONNECTION, `A connection costs the ${program.name} ${Math.round(each)} bytes`);
      });
      await play(visitors, services);
    } finally {
      for (const peer of [...visitors, ...services]) peer.close();
    }
    return programs.map(memoryOf);
  };

  const halfClosed = async (visitors: Peer[], services: Peer[]) => {
    // nobody knows which visitor belongs to which service: all of a kind do the same
    finishAll(visitors, "question");
    await assertEnded(services, "question");
    finishAll(services, "answer");
    await assertEnded(visitors, "answer");
  };

  await t.step("connections that are made and say nothing", () =>
    round(async (visitors, services) => {
      finishAll(services);
      await assertEnded(visitors, "");
      finishAll(visitors);
      await assertEnded(services, "");
    }).then(() => {}));

  let memory: number[] = [];
  await t.step("connections one of whose directions has ended", async () => {
    memory = await round(halfClosed);
  });

  await t.step("the same again takes no more memory", async () => {
    const again = await round(halfClosed);
    programs.forEach(({ name }, i) => {
      assert(again[i] - memory[i] < MOST_GROWTH, `The ${name} grew by ${again[i] - memory[i]} bytes`);
    });
  });

  await t.step("ordinary traffic went on all the while", async () => {
    const count = await traffic.stop();
    assert(count >= 4, `Only ${count} transfers`);
  });

  await t.step("nothing is left, of the pooled connections neither", async () => {
    for (const [i, program] of programs.entries()) {
      await idleAgain(program, idle[i]);
      await pooledAgain(program, pooled[i]);
      const { sessionsOpened, sessionsEnded } = await countersOf(program);
      assertEquals(sessionsEnded, sessionsOpened, "no session was reset");
    }
  });
});
