// Resets through the real programs: one at either end arrives as a reset at the other, whatever the session is doing.

import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  readToEnd,
  resetConn,
  soon,
  writeAll,
  writePayload,
} from "./support/conns.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { type Holdings, holdingsAfterStart, idleAgain } from "./support/holdings.ts";
import { countersOf, until } from "./support/inspection.ts";
import { payloadSha256 } from "./support/payload.ts";
import { freePorts } from "./support/program.ts";
import { type Pair, startPair } from "./support/starts.ts";

/** Resources are shared by the tests of this file, which the sanitizers take for leaks. */
const SHARED = { sanitizeOps: false, sanitizeResources: false };
const LARGE = 10_000_000;

type Counters = Awaited<ReturnType<typeof countersOf>>;

const listener = listenLocally();
let pair: Pair;
let idle: readonly [server: Holdings, client: Holdings];

Deno.test.beforeAll(async () => {
  pair = await startPair(addressOf(listener));
  idle = [await holdingsAfterStart(pair.server), await holdingsAfterStart(pair.client)];
});

Deno.test.afterAll(async () => {
  await pair[Symbol.asyncDispose]();
  listener.close();
});

/** Both ends of a session that is known to relay both ways. */
async function session(): Promise<[visitor: Deno.TcpConn, service: Deno.TcpConn]> {
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(pair.address), listener.accept()]));
  await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
  await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
  return [visitor, service];
}

/** A session that has nothing of the one before it in its bytes. */
async function nextConnectionWorks(): Promise<void> {
  const [visitor, service] = await session();
  const sent = writePayload(visitor, 9, 100_000).then(() => visitor.closeWrite());
  assertEquals((await soon("the next upload", readToEnd(service))).sha256, payloadSha256(9, 100_000));
  await sent;
  const answered = writePayload(service, 8, 100_000).then(() => service.close());
  assertEquals((await soon("the next download", readToEnd(visitor))).sha256, payloadSha256(8, 100_000));
  await answered;
  visitor.close();
}

/** Writes until the connection takes nothing more for a while; `stuck` resolves with the error of the last write. */
async function block(conn: Deno.TcpConn): Promise<{ stuck: Promise<unknown> }> {
  const chunk = new Uint8Array(1 << 20);
  for (;;) {
    const written = writeAll(conn, chunk).then(() => "written", (error) => error);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const waited = new Promise((resolve) => timer = setTimeout(() => resolve("stuck"), 200));
    const first = await Promise.race([written, waited]);
    clearTimeout(timer);
    if (first === "stuck") return { stuck: written };
    if (first !== "written") throw first;
  }
}

/** Reads to the end or the reset of a stream: how many bytes came before it. */
async function readWithEnding(conn: Deno.TcpConn): Promise<{ bytes: number; ending: "end" | "reset" }> {
  const room = new Uint8Array(65_536);
  let bytes = 0;
  try {
    for (let count = await conn.read(room); count !== null; count = await conn.read(room)) bytes += count;
    return { bytes, ending: "end" };
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return { bytes, ending: "reset" };
    throw error;
  }
}

/** Whether an error of a read or write says that the other end was reset. */
function saysReset(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe;
}

const ENDS = { visitor: 0, service: 1 } as const;

for (const [name, place] of Object.entries(ENDS)) {
  const other = name === "visitor" ? "service" : "visitor";

  Deno.test(`a ${name} that resets an idle session resets the ${other}`, SHARED, async () => {
    const ends = await session();
    resetConn(ends[place]);
    assertEquals(await soon("the reset arrives", endingOf(ends[1 - place])), "reset");
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets while it sends resets the ${other}`, SHARED, async () => {
    const ends = await session();
    const ending = endingOf(ends[1 - place]);
    await writePayload(ends[place], 1, LARGE);
    resetConn(ends[place]);
    assertEquals(await soon("the reset arrives", ending), "reset");
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets while it is sent to resets the ${other}`, SHARED, async () => {
    const ends = await session();
    const sent = writePayload(ends[1 - place], 1, 10 * LARGE).catch((error) => error);
    await readExactly(ends[place], 1_000_000);
    resetConn(ends[place]);
    const error = await soon("writing fails", sent);
    assert(saysReset(error), `It ended with ${error}`);
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets while nobody reads what it sent resets the ${other}`, SHARED, async () => {
    const ends = await session();
    await block(ends[place]);
    resetConn(ends[place]);
    assertEquals(await soon("the reset arrives", endingOf(ends[1 - place])), "reset");
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets instead of reading what is stuck resets the ${other}`, SHARED, async () => {
    const ends = await session();
    const { stuck } = await block(ends[1 - place]);
    resetConn(ends[place]);
    const error = await soon("writing fails", stuck);
    assert(saysReset(error), `It ended with ${error}`);
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets after the ${other} has ended its side resets it`, SHARED, async () => {
    const ends = await session();
    await ends[1 - place].closeWrite();
    assertEquals((await soon("the end arrives", readToEnd(ends[place]))).bytes, 0);
    resetConn(ends[place]);
    assertEquals(await soon("the reset arrives", endingOf(ends[1 - place])), "reset");
    ends[1 - place].close();
    await nextConnectionWorks();
  });

  Deno.test(`a ${name} that resets after it has ended its own side resets the ${other}`, SHARED, async () => {
    const ends = await session();
    await ends[place].closeWrite();
    assertEquals((await soon("the end arrives", readToEnd(ends[1 - place]))).bytes, 0);
    resetConn(ends[place]);
    // who has read the end of the stream sees the reset when it writes
    const sent = writePayload(ends[1 - place], 1, 10 * LARGE).catch((error) => error);
    const error = await soon("writing fails", sent);
    assert(saysReset(error), `It ended with ${error}`);
    ends[1 - place].close();
    await nextConnectionWorks();
  });
}

Deno.test("a service that resets what it has just accepted resets the visitor", SHARED, async () => {
  for (let i = 0; i < 50; i++) {
    const [visitor, service] = await Promise.all([connectTo(pair.address), listener.accept()]);
    resetConn(service);
    assertEquals(await soon("the reset arrives", endingOf(visitor)), "reset", `the visitor number ${i}`);
    visitor.close();
  }
  await nextConnectionWorks();
});

Deno.test("visitors that reset as soon as they are connected leave nothing behind", SHARED, async () => {
  let accepting = true;
  const accepted = (async () => {
    while (accepting) {
      const service = await acceptFrom(listener);
      void endingOf(service).finally(() => service.close());
    }
  })();
  for (let i = 0; i < 100; i++) {
    const visitor = await connectTo(pair.address);
    if (i % 2 === 1) await writeAll(visitor, new Uint8Array(1000));
    resetConn(visitor);
  }
  await idleAgain(pair.server, idle[0]);
  await idleAgain(pair.client, idle[1]);
  accepting = false;
  (await connectTo(addressOf(listener))).close();
  await accepted;
});

for (const [what, end] of [["client dies", "client"], ["server stops", "server"]] as const) {
  Deno.test(`visitors of a client that stands still are reset when the ${what}`, SHARED, async () => {
    await using still = await startPair(addressOf(listener), { server: ["--drain_timeout=200ms"] });
    still.client.kill("SIGSTOP");
    // one has the ProxyConn that was ready, and the others wait for one
    const visitors = await Promise.all([1, 2, 3].map(() => connectTo(still.address)));
    const endings = Promise.all(visitors.map(endingOf));
    if (end === "client") still.client.kill("SIGKILL");
    else void still.server.stop();
    assertEquals(await soon("they are reset", endings), ["reset", "reset", "reset"]);
    for (const visitor of visitors) visitor.close();
    still.client.kill("SIGKILL");
  });
}

Deno.test("what a visitor sends in front of its reset arrives in front of it", SHARED, async () => {
  for (let i = 0; i < 20; i++) {
    // so few that they leave at once: with its own reset, a kernel drops what has not
    const bytes = 1 + 5000 * (i % 4);
    const both = Promise.all([connectTo(pair.address), listener.accept()]);
    const [visitor, service] = await soon("the service is connected", both);
    await writePayload(visitor, i, bytes);
    resetConn(visitor);
    const received = soon("the stream and its reset arrive", readWithEnding(service));
    assertEquals(await received, { bytes, ending: "reset" });
    service.close();
  }
  await nextConnectionWorks();
});

Deno.test(
  "the answer of a service that closes while it is still sent to arrives, as it does directly",
  SHARED,
  async () => {
    const answer = 3000;
    const visit = async (address: string) => {
      const visitor = await connectTo(address);
      const accepted = acceptFrom(listener);
      const sent = writePayload(visitor, 1, 4 * LARGE).catch(() => {});
      const service = await soon("the service is connected", accepted);
      await readExactly(service, 1000);
      await writeAll(service, new Uint8Array(answer));
      // with all that it has not read, its end is a reset behind the answer
      service.close();
      await sent;
      const { bytes } = await soon("the answer arrives", readWithEnding(visitor));
      visitor.close();
      return bytes === answer;
    };
    const whole = { direct: 0, through: 0 };
    for (let i = 0; i < 40; i++) {
      if (await visit(addressOf(listener))) whole.direct++;
      if (await visit(pair.address)) whole.through++;
    }
    assert(whole.through >= whole.direct - 2, `Of 40 answers ${whole.through} arrived, and directly ${whole.direct}`);
    await nextConnectionWorks();
  },
);

Deno.test("visitors that reset, as health checks do, cost no ProxyConns", SHARED, async () => {
  await nextConnectionWorks();
  const before = await countersOf(pair.server);
  for (let i = 0; i < 50; i++) {
    const [visitor, service] = await session();
    resetConn(visitor);
    assertEquals(await soon("the reset arrives", endingOf(service)), "reset");
    service.close();
  }
  const { proxyConnsOpened, sessionsReset } = await countersOf(pair.server);
  assertEquals(sessionsReset - before.sessionsReset, 50);
  const opened = proxyConnsOpened - before.proxyConnsOpened;
  assert(opened <= 5, `50 resets took ${opened} new ProxyConns`);
});

Deno.test("a reset of a session that the server has finished already is nobody's any more", SHARED, async () => {
  const [before, clientBefore] = [await countersOf(pair.server), await countersOf(pair.client)];
  const [visitor, service] = await session();
  // until the service takes no more: what comes then fits into the buffers between the programs, and the server is done
  // with it while the client is not
  for (let sent = 1, stuck = false; !stuck;) {
    await writeAll(visitor, new Uint8Array(1 << 19));
    sent += 1 << 19;
    const all = ({ bytesToProxy }: Counters) => bytesToProxy === before.bytesToProxy + sent;
    await until("the server has passed all of it on", () => countersOf(pair.server), all);
    await new Promise((resolve) => setTimeout(resolve, 100));
    stuck = (await countersOf(pair.client)).bytesFromProxy < clientBefore.bytesFromProxy + sent;
  }
  await visitor.closeWrite();
  await service.closeWrite();
  assertEquals(await soon("the service's end arrives", endingOf(visitor)), "end");
  const ended = ({ sessionsEnded }: Counters) => sessionsEnded > before.sessionsEnded;
  await until("the server has finished", () => countersOf(pair.server), ended);
  resetConn(service);
  visitor.close();
  const heard = ({ sessionsReset }: Counters) => sessionsReset > clientBefore.sessionsReset;
  await until("the client has heard", () => countersOf(pair.client), heard);
  await nextConnectionWorks();
});

Deno.test("an upload to a service that is not there is reset, never ended in order", SHARED, async () => {
  const [absent] = freePorts(1);
  await using unserved = await startPair(`127.0.0.1:${absent}`);
  const upload = async (seed: number) => {
    // Deno tells a reset that is quicker than itself as an error of connect
    const connected = await connectTo(unserved.address).catch((error) => error);
    if (saysReset(connected)) return "reset";
    using visitor: Deno.TcpConn = connected;
    const sent = writePayload(visitor, seed, 20_000).then(() => visitor.closeWrite()).catch((error) => error);
    const ending = await soon("the reset arrives", endingOf(visitor));
    // the kernel tells an error once: whichever comes first, a read or a write
    return saysReset(await sent) ? "reset" : ending;
  };
  for (let round = 0; round < 8; round++) {
    const endings = await Promise.all(Array.from({ length: 10 }, (_, i) => upload(10 * round + i)));
    assertEquals(endings, endings.map(() => "reset"));
  }
});

Deno.test("no session was counted twice, and nothing is left of any", SHARED, async () => {
  await idleAgain(pair.server, idle[0]);
  await idleAgain(pair.client, idle[1]);
  for (const program of [pair.server, pair.client]) {
    const { sessionsOpened, sessionsEnded, sessionsReset, sessionsRefused } = await countersOf(program);
    assertEquals(sessionsEnded + sessionsReset + sessionsRefused, sessionsOpened);
  }
});
