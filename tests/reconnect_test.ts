// Losing and finding each other: a server that is not there yet, or restarted, a ctl_conn that is cut or goes silent.

import { assert, assertEquals } from "./support/assert.ts";
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
import { CtlSpeaker } from "./support/ctl_speaker.ts";
import { Forwarder } from "./support/forwarder.ts";
import { holdingsAfterStart, idleAgain } from "./support/holdings.ts";
import { until } from "./support/inspection.ts";
import { payloadSha256 } from "./support/payload.ts";
import { freePorts, type Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

const LARGE = 10_000_000;

/** One exchange through the tunnel at `address` to `listener`. */
async function works(address: string, listener: Deno.TcpListener): Promise<void> {
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), listener.accept()]));
  await writeAll(visitor, new Uint8Array([7]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([7]));
  service.close();
  await soon("the end arrives", readToEnd(visitor));
  visitor.close();
}

/** The next line of `program` that says that its tunnel `name` is up at `address`. */
function upAgain(program: Program, name: string, address: string): Promise<RegExpExecArray> {
  return program.nextLine(new RegExp(`Tunnel is up .*\\bname=${name} .*\\bpublic=${address}\\b`), 20_000);
}

Deno.test("a server answers a heartbeat at once: its client may wait for less than the server does", async () => {
  await using server = await startServer(["--heartbeat_interval=30m", "--heartbeat_timeout=60m", "--pool_count=0"]);
  using client = await CtlSpeaker.connect(server.ctlPort);
  await client.logIn();
  for (let i = 0; i < 3; i++) {
    await client.send({ type: "Heartbeat" });
    await soon("an answer", client.next("Heartbeat"));
  }
});

Deno.test("a client that is there before its server, and after it, gets the same public ports", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const [ctlPort, proxyPort, fixedPort] = freePorts(3);
  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  stack.defer(() => Deno.remove(config));
  const local = `local_server: "${addressOf(listener)}"`;
  await Deno.writeTextFile(
    config,
    `tunnels:\n  - { name: fixed, remote_port: ${fixedPort}, ${local} }\n  - { name: picked, ${local} }\n`,
  );
  const client = stack.use(startClient(ctlPort, [`--config=${config}`, "--drain_timeout=1s"]));
  await client.line(/Not connected to the server .*connection refused/);

  const serverFlags = [`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, "--drain_timeout=1s"];
  const first = await startServer(serverFlags);
  const [fixed, picked] = [await publicAddress(client, "fixed"), await publicAddress(client, "picked")];
  assertEquals(fixed, `127.0.0.1:${fixedPort}`);
  await works(fixed, listener);
  await works(picked, listener);

  const down = client.nextLine(/Not connected to the server/);
  assertEquals((await first.program.stop()).code, 0);
  await down;
  const back = [upAgain(client, "fixed", fixed), upAgain(client, "picked", picked)];
  stack.use(await startServer(serverFlags));
  await Promise.all(back);
  await works(fixed, listener);
  await works(picked, listener);
});

Deno.test("sessions outlive their ctl_conn, and silence on it ends it", async (t) => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const heartbeats = ["--heartbeat_interval=100ms", "--heartbeat_timeout=1500ms", "--drain_timeout=1s"];
  const { program: server, ...ports } = stack.use(await startServer(heartbeats));
  const forwarder = stack.use(new Forwarder(ports.ctlPort));
  const client = stack.use(startClient(forwarder.port, [`--local_server=${addressOf(listener)}`, ...heartbeats]));
  const address = await publicAddress(client);
  const idle = [await holdingsAfterStart(server), await holdingsAfterStart(client)];

  const session = async (): Promise<Ends> => {
    const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), listener.accept()]));
    await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
    await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
    return [visitor, service];
  };
  /** Loses the ctl_conn while `before` has happened to some sessions, and has them end after that. */
  const acrossLoss = async (lose: () => Promise<unknown>, ends: readonly Ends[], plans: readonly Plan[]) => {
    const rest = await Promise.all(plans.map((plan, i) => plan(ends[i])));
    const back = upAgain(client, "default", address);
    await lose();
    for (const finish of rest) await finish();
    for (const conn of ends.flat()) closeQuietly(conn);
    await back;
    await works(address, listener);
    await idleAgain(server, idle[0]);
    await idleAgain(client, idle[1]);
  };
  const allPlans = [...plansOf(0), ...plansOf(1)];

  await t.step("when it is cut, every session gets its bytes and its ends", async () => {
    const ends: Ends[] = [];
    for (const _ of allPlans) ends.push(await session());
    const cut = async () => {
      const noticed = [client.nextLine(/Not connected/), server.nextLine(/Client has gone/)];
      forwarder.cut();
      await Promise.all(noticed);
    };
    await acrossLoss(cut, ends, allPlans);
  });

  await t.step(
    "when it is silent, both programs give it up, and every session gets its bytes and its ends",
    async () => {
      const ends: Ends[] = [];
      for (const _ of allPlans) ends.push(await session());
      const freeze = async () => {
        const noticed = [client.nextLine(/Not connected.*silent for/), server.nextLine(/Client has gone.*silent for/)];
        forwarder.freeze();
        await Promise.all(noticed);
        forwarder.thaw();
      };
      await acrossLoss(freeze, ends, allPlans);
    },
  );

  await t.step("when it is cut again and again, no session that had begun loses a byte", async () => {
    let [cutting, accepting] = [true, true];
    let served = 0;
    const answering = (async () => {
      while (accepting) {
        const service = await acceptFrom(listener);
        void answer(service).catch(() => {}).finally(() => closeQuietly(service));
      }
    })();
    const visiting = Array.from({ length: 4 }, async (_, i) => {
      for (let seed = i; cutting; seed += 4) if (await visit(address, seed)) served++;
    });
    for (let i = 0; i < 3; i++) {
      const back = upAgain(client, "default", address);
      forwarder.cut();
      await back;
      const before = served;
      await until("a visitor is served again", () => served, (now) => now > before);
    }
    cutting = false;
    await soon("the last visits end", Promise.all(visiting));
    accepting = false;
    (await connectTo(addressOf(listener))).close();
    await answering;
    assert(served > 0, "No visitor was served");
    await idleAgain(server, idle[0]);
    await idleAgain(client, idle[1]);
  });
});

type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];
/** What happens to a session before the ctl_conn is lost, and then what has to happen after that. */
type Plan = (ends: Ends) => Promise<() => Promise<void>>;

function closeQuietly(conn: Deno.TcpConn): void {
  try {
    conn.close();
  } catch (error) {
    if (!(error instanceof Deno.errors.BadResource)) throw error; // closed by the test already
  }
}

async function expectStream(conn: Deno.TcpConn, seed: number, bytes: number): Promise<void> {
  const received = await soon("a stream arrives", readToEnd(conn));
  assertEquals(received, { bytes, sha256: payloadSha256(seed, bytes) });
}

async function sendAndEnd(conn: Deno.TcpConn, seed: number, bytes: number): Promise<void> {
  await writePayload(conn, seed, bytes);
  await conn.closeWrite();
}

/** The plans in which the visitor (0) or the service (1) comes first. */
function plansOf(first: 0 | 1): Plan[] {
  const inOrder = (ends: Ends) => [ends[first], ends[1 - first]];
  return [
    // in mid-transfer both ways, with everything on the way full
    async (ends) => {
      const [one, other] = inOrder(ends);
      const sent = [sendAndEnd(one, 1, LARGE), writePayload(other, 2, LARGE)];
      await new Promise((resolve) => setTimeout(resolve, 20)); // nobody reads: soon nobody can write
      return async () => {
        await expectStream(other, 1, LARGE);
        const answered = sent[1].then(() => other.closeWrite());
        await expectStream(one, 2, LARGE);
        await Promise.all([sent[0], answered]);
      };
    },
    // one end is announced, its bytes are still on the way
    async (ends) => {
      const [one, other] = inOrder(ends);
      await sendAndEnd(one, 3, 1_500_000);
      return async () => {
        await expectStream(other, 3, 1_500_000);
        await Promise.all([sendAndEnd(other, 4, LARGE), expectStream(one, 4, LARGE)]);
      };
    },
    // one end has arrived, the other direction is idle
    async (ends) => {
      const [one, other] = inOrder(ends);
      await one.closeWrite();
      await expectStream(other, 0, 0);
      return async () => {
        await Promise.all([sendAndEnd(other, 5, LARGE), expectStream(one, 5, LARGE)]);
      };
    },
    // both ends are announced, the bytes of both are still on the way
    async ([visitor, service]) => {
      await Promise.all([sendAndEnd(visitor, 6, 1_500_000), sendAndEnd(service, 7, 1_500_000)]);
      return async () => {
        await Promise.all([expectStream(service, 6, 1_500_000), expectStream(visitor, 7, 1_500_000)]);
      };
    },
    // nothing yet, and a reset afterwards
    (ends) => {
      const [one, other] = inOrder(ends);
      return Promise.resolve(async () => {
        resetConn(one);
        assertEquals(await soon("the reset arrives", endingOf(other)), "reset");
      });
    },
  ];
}

/** A service's part of {@linkcode visit}. */
async function answer(service: Deno.TcpConn): Promise<void> {
  await readExactly(service, 1);
  await writeAll(service, new Uint8Array([1]));
  const { bytes } = await readToEnd(service);
  await sendAndEnd(service, bytes, 60_000);
}

/** One visit; false if the session never began, as while the tunnel is down. Once it has begun it must be whole. */
async function visit(address: string, seed: number): Promise<boolean> {
  let visitor: Deno.TcpConn | undefined;
  const bytes = 10_000 + seed;
  try {
    visitor = await connectTo(address);
    await writeAll(visitor, new Uint8Array([1]));
    await soon("a session begins or does not", readExactly(visitor, 1));
  } catch (error) {
    if (visitor !== undefined) visitor.close();
    if (error instanceof Error && error.message.startsWith("Waited")) throw error;
    await new Promise((resolve) => setTimeout(resolve, 10));
    return false;
  }
  await sendAndEnd(visitor, seed, bytes);
  await expectStream(visitor, bytes, 60_000);
  visitor.close();
  return true;
}
