// Thousands of short sessions with random sizes, ends and orders of events on a few ProxyConns. CPROXY_SEED repeats the
// plan of a run; what the kernel makes of it differs a little each time.

import { Buffer } from "node:buffer";
import { assert, assertEquals } from "./support/assert.ts";
import { addressOf, connectTo, listenLocally, resetConn, soon, writeAll } from "./support/conns.ts";
import { type Holdings, holdingsAfterStart, holdingsOf } from "./support/holdings.ts";
import { countersOf, until } from "./support/inspection.ts";
import { type Random, randomFrom, seedOfRun } from "./support/random.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

/** Sessions of one tunnel, one after the other. */
const SESSIONS = 500;
/** Tunnels of the one client, which use the same ProxyConns. */
const TUNNELS = 4;
/** The longest stream of a session. */
const LONGEST = 600_000;

/** What streams are cut from: each is a piece of it, so a byte in a wrong place is seen as wrong. */
const noise = crypto.getRandomValues(new Uint8Array(65_536));
const source = new Uint8Array(4 * LONGEST);
for (let at = 0; at < source.length; at += 4) {
  new DataView(source.buffer).setUint32(at, Math.imul(at + noise[at % 65_521], 0x9e3779b1) ^ (at >>> 7));
}

/** What one end of a session does. */
interface Plan {
  /** What it sends. */
  readonly stream: Uint8Array;
  /** Bytes of a write. */
  readonly chunk: number;
  /** After how many bytes of its stream it resets, if it does. With the whole stream: after the end of its side. */
  readonly resetAfter: number | null;
  /** Whether it resets instead of going on as soon as it has read so many bytes. */
  readonly resetAtRead: number | null;
  /** Ms before it sends, ends its side, reads; mostly 0. */
  readonly pauses: readonly [send: number, end: number, read: number];
  /** Bytes of a read. */
  readonly room: number;
  /** Whether it ends its side only when the other one has. */
  readonly endsLast: boolean;
}

/** What became of one end. */
interface Outcome {
  /** Bytes that it read. */
  read: number;
  /** It read the end of the stream. */
  sawEnd: boolean;
  /** It ended its side after its whole stream. */
  ended: boolean;
  /** It reset the connection. */
  reset: boolean;
  /** A read or write failed with a reset. */
  sawReset: boolean;
}

function pause(ms: number): Promise<void> {
  return ms === 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, ms));
}

function planOf(random: Random): Plan {
  const kind = random.next();
  const bytes = kind < 0.15 ? 0 : kind < 0.3 ? 1 : kind < 0.7 ? random.between(2, 200) : random.between(201, 70_000);
  const size = random.chance(0.02) ? random.between(70_001, LONGEST) : bytes;
  const start = random.between(0, source.length - LONGEST);
  const resets = random.chance(0.12);
  return {
    stream: source.subarray(start, start + size),
    chunk: random.chance(0.5) ? size + 1 : random.between(1 + (size >> 4), size + 1),
    resetAfter: resets && random.chance(0.6) ? random.between(0, size) : null,
    resetAtRead: resets && random.chance(0.6) ? random.between(0, 1000) : null,
    pauses: [0, 0, 0].map(() => random.chance(0.06) ? random.between(0, 8) : 0) as [number, number, number],
    room: random.chance(0.7) ? 65_536 : random.between(16, 4096),
    endsLast: random.chance(0.25),
  };
}

/** Plays `plan` on `conn`, which may be reset when `mayReset` has resolved; `peer` is what the other end sends. */
async function play(conn: Deno.TcpConn, plan: Plan, peer: Plan, mayReset: Promise<unknown>): Promise<Outcome> {
  const outcome: Outcome = { read: 0, sawEnd: false, ended: false, reset: false, sawReset: false };
  const reset = async () => {
    await mayReset;
    if (outcome.reset) return;
    outcome.reset = true;
    resetConn(conn);
  };
  const over = Promise.withResolvers<void>();

  const send = async () => {
    await pause(plan.pauses[0]);
    const most = plan.resetAfter ?? plan.stream.length;
    for (let sent = 0; sent < most; sent += plan.chunk) {
      await writeAll(conn, plan.stream.subarray(sent, Math.min(sent + plan.chunk, most)));
    }
    if (plan.resetAfter !== null && plan.resetAfter < plan.stream.length) return await reset();
    if (plan.endsLast && !peer.endsLast) await over.promise;
    await pause(plan.pauses[1]);
    await conn.closeWrite();
    outcome.ended = true;
    if (plan.resetAfter !== null) await reset();
  };
  const receive = async () => {
    await pause(plan.pauses[2]);
    const room = new Uint8Array(plan.room);
    while (!outcome.reset) {
      if (plan.resetAtRead !== null && outcome.read >= plan.resetAtRead) return await reset();
      const count = await conn.read(room);
      if (count === null) {
        outcome.sawEnd = true;
        return;
      }
      const expected = peer.stream.subarray(outcome.read, outcome.read + count);
      const isRight = Buffer.compare(expected, room.subarray(0, count)) === 0;
      assert(isRight, `Wrong bytes among the ${count} from ${outcome.read} of ${peer.stream.length}`);
      outcome.read += count;
    }
  };
  const guarded = async (half: () => Promise<void>) => {
    try {
      await half();
    } catch (error) {
      // once this end has reset the connection it is gone, whatever the other half was about to do with it
      if (outcome.reset) return;
      const { ConnectionReset, BrokenPipe, NotConnected } = Deno.errors;
      if (![ConnectionReset, BrokenPipe, NotConnected].some((kind) => error instanceof kind)) throw error;
      outcome.sawReset = true;
    } finally {
      if (half === receive) over.resolve();
    }
  };
  await Promise.all([guarded(send), guarded(receive)]);
  if (!outcome.reset) conn.close();
  return outcome;
}

/** Fails unless both outcomes are what a plain connection would have allowed. */
function judge(plans: readonly [Plan, Plan], outcomes: readonly [Outcome, Outcome]): void {
  const anyReset = outcomes.some(({ reset }) => reset);
  outcomes.forEach((outcome, i) => {
    const [peerPlan, peer] = [plans[1 - i], outcomes[1 - i]];
    const who = i === 0 ? "The visitor" : "The service";
    // the kernel tells a reset once: where a write has heard of it, a read says "end"
    if (outcome.sawEnd && !outcome.sawReset && !outcome.reset) {
      assertEquals(outcome.read, peerPlan.stream.length, `${who} read an end before all bytes`);
      assert(peer.ended, `${who} read an end that nobody made`);
    }
    if (anyReset) return;
    assert(!outcome.sawReset, `${who} saw a reset that nobody made`);
    assert(outcome.sawEnd && outcome.ended, `${who} did not get to the end`);
  });
  const [visitor, service] = outcomes;
  for (const [mine, other] of [[visitor, service], [service, visitor]]) {
    const done = mine.sawEnd && mine.ended;
    if (other.reset && !mine.reset) assert(done || mine.sawReset, "A reset did not arrive");
  }
}

Deno.test("thousands of sessions of random shape arrive byte by byte, and leave nothing behind", async () => {
  await playAll(1, 1);
});

Deno.test("the same with three relay Workers on one side and two on the other", async () => {
  await playAll(3, 2);
});

/** Runs the schedule on a pair with so many relay Workers. */
async function playAll(serverWorkers: number, clientWorkers: number): Promise<void> {
  const seed = seedOfRun();
  await using stack = new AsyncDisposableStack();
  const listeners = Array.from({ length: TUNNELS }, () => stack.adopt(listenLocally(), (listener) => listener.close()));
  const server = stack.use(await startServer([`--work_thread_nums=${serverWorkers}`, "--drain_timeout=1s"]));
  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  stack.defer(() => Deno.remove(config));
  const tunnels = listeners.map((listener, i) => `  - { name: t${i}, local_server: "${addressOf(listener)}" }\n`);
  await Deno.writeTextFile(config, `tunnels:\n${tunnels.join("")}`);
  const client = stack.use(
    startClient(server.ctlPort, [`--config=${config}`, `--work_thread_nums=${clientWorkers}`, "--drain_timeout=1s"]),
  );
  const addresses: string[] = [];
  for (let i = 0; i < TUNNELS; i++) addresses.push(await publicAddress(client, `t${i}`));
  const idle = [await holdingsAfterStart(server.program), await holdingsAfterStart(client)];

  let resets = 0;
  const runTunnel = async (tunnel: number) => {
    const random = randomFrom(seed + tunnel);
    for (let i = 0; i < SESSIONS; i++) {
      const plans: [Plan, Plan] = [planOf(random), planOf(random)];
      const session = async () => {
        const accepting = listeners[tunnel].accept();
        accepting.catch(() => {}); // a session that failed leaves it open until the end of the test
        const visitor = play(await connectTo(addresses[tunnel]), plans[0], plans[1], accepting);
        const service = play(await accepting, plans[1], plans[0], Promise.resolve());
        const outcomes: [Outcome, Outcome] = await Promise.all([visitor, service]);
        judge(plans, outcomes);
        if (outcomes.some(({ reset }) => reset)) resets++;
      };
      try {
        await soon("the session ends", session());
      } catch (error) {
        const shown = plans.map((plan) => ({ ...plan, stream: plan.stream.length }));
        const what = `Session ${i} of tunnel ${tunnel}, CPROXY_SEED=${seed}, ${JSON.stringify(shown)}`;
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
  };
  await Promise.all(addresses.map((_, tunnel) => runTunnel(tunnel)));

  // between the Workers of either side, notice connections are made as they are needed
  const notices = serverWorkers * clientWorkers - 1;
  for (const [i, program] of [server.program, client].entries()) {
    const isIdle = ({ sockets, sessions }: Holdings) =>
      sessions === 0 && sockets >= idle[i].sockets && sockets <= idle[i].sockets + notices;
    const what = `the ${program.name} holds ${JSON.stringify(idle[i])}`;
    await until(what, () => holdingsOf(program), isIdle, 15_000);
  }
  const { sessionsOpened, proxyConnsOpened } = await countersOf(server.program);
  assertEquals(sessionsOpened, TUNNELS * SESSIONS);
  // a reset costs its ProxyConn; all other sessions were on a few
  assert(proxyConnsOpened <= resets + 20, `${proxyConnsOpened} ProxyConns for ${resets} resets`);
}
