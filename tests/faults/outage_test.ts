// The link between client and server goes down for a while, in several ways, and nobody sends a FIN or an RST.

import { assert, assertEquals } from "../support/assert.ts";
import { connectTo, readExactly, readToEnd, soon, writeAll, writePayload } from "../support/conns.ts";
import {
  type Ends,
  type FarPair,
  heldAfterStart,
  heldAgain,
  session,
  startFarPair,
  TUNNELS,
} from "../support/far_pair.ts";
import { Names } from "../support/names.ts";
import { ignoreWithoutNetworks, type Network, SERVER_HOST } from "../support/network.ts";
import { payloadSha256 } from "../support/payload.ts";

const SHORT_MS = 5000;
const LONG_MS = 60_000;
/** Ms after the link for the tunnels to be back: the bound that is promised. */
const BACK_MS = 5000;
/** Ms after a long outage for both to find by keepalive what the other has given up meanwhile. */
const ENDED_MS = 75_000;
/** Bytes of a transfer that is under way when the link goes down, and Mbit/s of the link meanwhile. */
const TRANSFER = 12_000_000;
const MBIT = 50;
const HOST = "server.test";

/** A way for a link to go down and up. */
interface Fault {
  readonly name: string;
  /** Whether the client knows its server by a name, which does not resolve meanwhile. */
  readonly named?: true;
  readonly down: (network: Network) => Promise<void>;
  readonly up: (network: Network) => Promise<void>;
}

const faults: Fault[] = [
  {
    name: "the client's interface is down",
    down: (network) => network.unplug("client"),
    up: (network) => network.plug("client"),
  },
  {
    name: "the client's link has no carrier",
    down: (network) => network.carrier("client", false),
    up: (network) => network.carrier("client", true),
  },
  {
    name: "the server's interface is down",
    down: (network) => network.unplug("server"),
    up: (network) => network.plug("server"),
  },
  {
    name: "a link in the middle is down, and nobody says so",
    down: (network) => network.lose("everything"),
    up: (network) => network.mend(),
  },
  {
    name: "a link in the middle is down, and the router says so",
    down: (network) => network.refuse(),
    up: (network) => network.mend(),
  },
  {
    name: "a link in the middle is down, and no name resolves",
    named: true,
    down: (network) => network.lose("everything"),
    up: (network) => network.mend(),
  },
];

/** Both programs on a link that the fault can happen to. */
interface Place extends AsyncDisposable {
  readonly pair: FarPair;
  down(): Promise<void>;
  up(): Promise<void>;
}

async function placeFor(fault: Fault): Promise<Place> {
  await using stack = new AsyncDisposableStack();
  const names = stack.use(await Names.make());
  await names.set(HOST, SERVER_HOST);
  const pair = stack.use(await startFarPair(fault.named && { host: HOST, launcher: names.launcher }));
  const owned = stack.move();
  return {
    pair,
    async down() {
      await fault.down(pair.network);
      await names.clear();
    },
    async up() {
      await names.set(HOST, SERVER_HOST);
      await fault.up(pair.network);
    },
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

/** Waits until new sessions work through every tunnel, where it was before, and says how long after `since` that is. */
async function backAfter(pair: FarPair, since: number): Promise<number> {
  for (const address of pair.addresses) {
    for (const conn of await soon(`a session through ${address}`, session(pair, address))) conn.close();
  }
  return performance.now() - since;
}

/** Both directions of a transfer, and what becomes of each stream: whole, too short, or the name of an error. */
function transfer([one, other]: Ends, seed: number): Promise<string>[] {
  const way = async (from: Deno.TcpConn, to: Deno.TcpConn, seed: number) => {
    const sent = writePayload(from, seed, TRANSFER).then(() => from.closeWrite());
    sent.catch(() => {}); // told by the other end
    try {
      const { bytes, sha256 } = await readToEnd(to);
      return sha256 === payloadSha256(seed, TRANSFER) ? "whole" : `an end after ${bytes} bytes`;
    } catch (error) {
      return (error as Error).name;
    }
  };
  return [way(one, other, seed), way(other, one, seed + 1)];
}

/** A transfer through each tunnel, both ways, and a session in which nothing happens. */
async function underWay(pair: FarPair): Promise<{ quiet: Ends; ends: Ends[]; streams: Promise<string>[] }> {
  const quiet = await session(pair, pair.addresses[0]);
  await pair.network.slow(MBIT);
  const ends = [quiet, await session(pair, pair.addresses[0]), await session(pair, pair.addresses[1])];
  const streams = ends.slice(1).flatMap((ends, i) => transfer(ends, 10 * i));
  // a quarter of the time that they take
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return { quiet, ends, streams };
}

/** Down for 5 s: nothing but time is lost. */
async function shortOutage(fault: Fault): Promise<void> {
  await using place = await placeFor(fault);
  const { pair } = place;
  const before = await heldAfterStart(pair);
  const { quiet, ends, streams } = await underWay(pair);
  await place.down();
  await new Promise((resolve) => setTimeout(resolve, SHORT_MS));
  await place.up();
  const back = await backAfter(pair, performance.now());
  assert(back < BACK_MS, `The tunnels were back after ${back} ms`);
  assertEquals(await soon("the transfers end", Promise.all(streams)), streams.map(() => "whole"));
  await writeAll(quiet[0], Uint8Array.of(3));
  assertEquals(await soon("a byte arrives", readExactly(quiet[1], 1)), Uint8Array.of(3));
  for (const conn of ends.flat()) conn.close();
  const { output } = pair.server;
  assert(!/Tunnel is down|Client has gone/.test(output), output);
  await heldAgain(before);
}

/** Down for 60 s: both sides notice and free what they held, and find each other again. */
async function longOutage(fault: Fault): Promise<void> {
  await using place = await placeFor(fault);
  const { pair } = place;
  const { network, server, client, addresses } = pair;
  const before = await heldAfterStart(pair);
  const { ends, streams } = await underWay(pair);
  const noticed = [server.nextLine(/Client has gone/, LONG_MS), client.nextLine(/Not connected/, LONG_MS)];
  await place.down();
  const since = performance.now();
  await Promise.all(noticed);
  for (const address of addresses) {
    const visitor = network.server.inside(() => connectTo(address));
    assertEquals(await visitor.then(() => "somebody listens", (error) => error.name), "ConnectionRefused");
  }
  await new Promise((resolve) => setTimeout(resolve, LONG_MS - (performance.now() - since)));

  const again = TUNNELS.map((name) => client.nextLine(new RegExp(`Tunnel is up .*name=${name} `)));
  await place.up();
  const mended = performance.now();
  await Promise.all(again);
  const back = await backAfter(pair, mended);
  assert(back < BACK_MS, `The tunnels were back after ${back} ms:\n${client.output}`);
  const outcomes = await soon("the transfers end", Promise.all(streams), ENDED_MS);
  for (const outcome of outcomes) assert(["whole", "ConnectionReset"].includes(outcome), outcome);
  for (const conn of ends.flat()) conn.close();
  await heldAgain(before, ENDED_MS);
}

const CONCURRENT = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

Deno.test({
  name: "after a link was down, tunnels are back on their ports within 5 s",
  ignore: ignoreWithoutNetworks(),
  ...CONCURRENT,
  fn: async (t) => {
    // all at once: there is little to do but wait
    const step = (name: string, fn: () => Promise<void>) => t.step({ name, fn, ...CONCURRENT });
    const ended = faults.flatMap((fault) => [
      step(`${fault.name} for 5 s: sessions go on`, () => shortOutage(fault)),
      step(`${fault.name} for 60 s: all is freed`, () => longOutage(fault)),
    ]);
    assert((await Promise.all(ended)).every(Boolean), "Not every step has passed");
  },
});
