// LocalServers and PublicClients that say nothing, take or send a byte at a time, or reset at any moment, each kind against
// each, beside ordinary traffic that must not notice. CPROXY_SEED repeats how they end.

import { Buffer } from "node:buffer";
import { Errno } from "../../ffi/errno.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { noise } from "../support/bytes.ts";
import { awaited, connectCrowd, Service } from "../support/crowd.ts";
import { holdingsAfterStart, idleAgain, pooledAgain } from "../support/holdings.ts";
import { countersOf, descriptorsOf } from "../support/inspection.ts";
import { randomFrom, seedOfRun } from "../support/random.ts";
import type { Peer } from "../support/stage.ts";
import { Traffic } from "../support/traffic.ts";
import { startTransferService } from "../support/transfers.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

/** Visitors of each kind for each kind of service. */
const OF_EACH = 4;
const TRANSFER_BYTES = 2 << 20;
/** How long they go on, in ticks of so many ms. */
const TICKS = 60;
const TICK_MS = 50;

/** What everybody sends, again and again: so whoever reads can tell whether it is right without knowing who sent it. */
const PATTERN = noise(5, 1 << 18);

/** One end of a connection that behaves oddly. */
class Odd {
  readonly peer: Peer;
  /** Ticks. */
  age = 0;
  /** Bytes. */
  sent = 0;
  /** Bytes. */
  received = 0;
  /** It is reset, or has seen a reset. */
  over = false;

  constructor(peer: Peer) {
    this.peer = peer;
  }

  send(most: number): void {
    const at = this.sent % PATTERN.length;
    try {
      this.sent += this.peer.send(PATTERN.subarray(at, at + most));
    } catch (error) {
      if (!/ECONNRESET|EPIPE/.test(String(error))) throw error;
      this.over = true;
    }
  }

  receive(most: number): void {
    const bytes = this.peer.read(most).take();
    for (let at = 0; at < bytes.length;) {
      const from = this.received % PATTERN.length;
      const piece = bytes.subarray(at, at + PATTERN.length - from);
      assert(Buffer.compare(PATTERN.subarray(from, from + piece.length), piece) === 0, "A wrong byte came");
      at += piece.length;
      this.received += piece.length;
    }
    if (typeof this.peer.state === "number") this.over = true;
  }

  finish(): void {
    this.peer.finish();
  }

  reset(): void {
    this.peer.reset();
    this.over = true;
  }
}

/** What each kind does in a tick. */
const KINDS: Readonly<Record<string, (odd: Odd) => void>> = {
  silent() {},
  listening: (odd) => odd.receive(Infinity),
  dripping(odd) {
    if (odd.age % 4 === 0) odd.send(1);
    odd.receive(Infinity);
  },
  sipping(odd) {
    odd.send(1 << 16);
    odd.receive(1);
  },
  resetting_at_once: (odd) => odd.reset(),
  resetting_in_transfer(odd) {
    odd.send(50_000);
    odd.receive(50_000);
    if (odd.sent + odd.received > 400_000 || odd.age > TICKS / 2) odd.reset();
  },
  resetting_behind_its_end(odd) {
    if (odd.age === 0) {
      odd.send(5000);
      odd.finish();
    }
    odd.receive(10_000);
    if (odd.age > 10) odd.reset();
  },
  ignoring_behind_its_end(odd) {
    if (odd.age === 0) odd.finish();
  },
};

Deno.test("odd peers of every kind disturb nobody and leave nothing behind", async () => {
  const random = randomFrom(seedOfRun());
  const names = Object.keys(KINDS);
  await using stack = new AsyncDisposableStack();
  const services = new Map(names.map((name) => [name, stack.use(new Service())]));
  // two connections fit into its queue, and nobody ever accepts one: the kernel does not answer a third
  const deaf = stack.use(new Service(1));
  const transfers = stack.use(startTransferService(TRANSFER_BYTES));
  const localServers: Record<string, string> = { deaf: deaf.address, transfers: transfers.address };
  for (const [name, { address }] of services) localServers[name] = address;
  const tunnels = stack.use(await Tunnels.start(FROM_SOURCE, localServers, ["--work_thread_nums=2"]));
  const programs = [tunnels.server, tunnels.client];
  const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)];
  const pooled = await Promise.all(programs.map((program) => pooledAgain(program)));
  const pipes = programs.map(({ pid }) => descriptorsOf(pid).pipe ?? 0);
  const traffic = new Traffic(tunnels.public.get("transfers")!, TRANSFER_BYTES);

  const waiting = await connectCrowd(deaf.address, 2);
  const unserved = await connectCrowd(tunnels.public.get("deaf")!, 5);
  stack.defer(() => [...waiting, ...unserved].forEach((peer) => peer.close()));

  const odds: { readonly odd: Odd; readonly behave: (odd: Odd) => void }[] = [];
  stack.defer(() => odds.forEach(({ odd }) => odd.peer.close()));
  for (const name of names) {
    for (const visited of names) {
      const peers = await connectCrowd(tunnels.public.get(visited)!, OF_EACH);
      odds.push(...peers.map((peer) => ({ odd: new Odd(peer), behave: KINDS[name] })));
    }
  }
  const acceptAll = () => {
    for (const [name, service] of services) {
      for (let peer = service.tryAccept(); peer !== null; peer = service.tryAccept()) {
        odds.push({ odd: new Odd(peer), behave: KINDS[name] });
      }
    }
  };
  for (let tick = 0; tick < TICKS; tick++) {
    acceptAll();
    for (const { odd, behave } of odds) {
      if (!odd.over) behave(odd);
      odd.age++;
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  const transfersMade = await traffic.stop();
  assert(transfersMade >= 4, `Only ${transfersMade} transfers beside them`);

  // all of them go, some in order and some not
  for (const { odd } of odds) random.chance(0.5) ? odd.peer.close() : odd.peer.reset();
  await awaited("the visitors of the deaf LocalServer are reset", () => {
    acceptAll();
    for (const { odd } of odds) odd.peer.close();
    return unserved.every((peer) => peer.read().state !== "open");
  });
  for (const { state } of unserved) assertEquals(state, Errno.ECONNRESET, "nobody takes it for an empty answer");
  for (const [i, program] of programs.entries()) {
    await idleAgain(program, idle[i]);
    await pooledAgain(program, pooled[i]);
    const { sessionsOpened, sessionsEnded, sessionsReset, sessionsRefused } = await countersOf(program);
    assertEquals(sessionsEnded + sessionsReset + sessionsRefused, sessionsOpened, "every session is counted once");
    assertEquals(sessionsRefused, unserved.length);
    // a Worker keeps 16 for the next time
    assert(descriptorsOf(program.pid).pipe! <= pipes[i] + 2 * 2 * 16, "pipes are closed again");
  }
});
