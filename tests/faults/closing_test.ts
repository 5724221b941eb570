// Ten thousand connections, each ended by whoever comes first, in every way there is. CPROXY_SEED repeats a plan.

import { assert, assertEquals } from "../support/assert.ts";
import { connectCrowd, Service } from "../support/crowd.ts";
import { holdingsAfterStart, holdingsOf, idleAgain } from "../support/holdings.ts";
import { connectionsIn, countersOf, until } from "../support/inspection.ts";
import { type Random, randomFrom, seedOfRun } from "../support/random.ts";
import type { Peer } from "../support/stage.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const CONNECTIONS = 10_000;
const BATCH = 250;
const CHUNK = new Uint8Array(20_000);

/** Sends what the kernel takes; one that its peer has reset takes nothing. */
function sendSome(peer: Peer): void {
  try {
    peer.send(CHUNK);
  } catch (error) {
    if (!/ECONNRESET|EPIPE/.test(String(error))) throw error;
  }
}

/** What one end of a connection does last; some of it leaves the other end to go on. */
const ENDS: readonly ((peer: Peer) => void)[] = [
  (peer) => peer.close(),
  (peer) => peer.reset(),
  (peer) => {
    sendSome(peer);
    peer.close();
  },
  (peer) => {
    sendSome(peer);
    peer.reset();
  },
  (peer) => {
    peer.finish();
    peer.reset();
  },
  (peer) => {
    sendSome(peer);
    peer.finish();
    peer.read();
    peer.close();
  },
  (peer) => {
    peer.read();
    peer.close();
  },
];

function shuffle(peers: Peer[], random: Random): Peer[] {
  for (let i = peers.length - 1; i > 0; i--) {
    const other = random.between(0, i);
    [peers[i], peers[other]] = [peers[other], peers[i]];
  }
  return peers;
}

Deno.test("ten thousand connections that either side ends in any way leave no CLOSE_WAIT and no descriptor", async () => {
  const random = randomFrom(seedOfRun());
  using service = new Service();
  await using tunnels = await Tunnels.start(FROM_SOURCE, { crowd: service.address }, ["--work_thread_nums=2"]);
  const address = tunnels.public.get("crowd")!;
  const programs = [tunnels.server, tunnels.client];
  const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)];

  let accepted = 0;
  const acceptAll = (): Peer[] => {
    const peers: Peer[] = [];
    for (let peer = service.tryAccept(); peer !== null; peer = service.tryAccept()) peers.push(peer);
    accepted += peers.length;
    return peers;
  };
  const endAll = async (peers: Peer[]) => {
    for (const [i, peer] of peers.entries()) {
      ENDS[random.between(0, ENDS.length - 1)](peer);
      // the programs are to see some ends one by one, and others many at a time
      if (i % 16 === 0 && random.chance(0.5)) await new Promise((resolve) => setTimeout(resolve, random.between(0, 3)));
    }
  };
  const half = (peers: Peer[], random: Random) => peers.splice(0, random.between(0, peers.length));

  let waiting: Peer[] = [];
  for (let i = 0; i < CONNECTIONS; i += BATCH) {
    waiting.push(...await connectCrowd(address, BATCH), ...acceptAll());
    // some end before they are served, some in the middle, and some only in a later batch
    await endAll(half(shuffle(waiting, random), random));
    waiting.push(...acceptAll());
    for (const peer of waiting) if (random.chance(0.3)) sendSome(peer);
    await endAll(half(shuffle(waiting, random), random));
  }
  await endAll(waiting);
  waiting = [];
  for (const program of programs) {
    const look = async () => {
      await endAll(acceptAll());
      return await holdingsOf(program);
    };
    await until(`the ${program.name} has no session left`, look, ({ sessions }) => sessions === 0);
  }
  for (const [i, program] of programs.entries()) {
    await idleAgain(program, idle[i]);
    await until(`${program.name} closes all`, () => connectionsIn("CLOSE_WAIT", program.pid), (count) => count === 0);
    const counters = await countersOf(program);
    const { sessionsOpened, sessionsEnded, sessionsReset, sessionsRefused } = counters;
    assertEquals(sessionsEnded + sessionsReset + sessionsRefused, sessionsOpened, JSON.stringify(counters));
    assert(sessionsReset > 0 && sessionsEnded > 0);
  }
  assert(accepted > CONNECTIONS / 4, `Only ${accepted} connections got through before they ended`);
});
