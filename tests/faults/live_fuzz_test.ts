// Peers that say what is nearly right to the real programs, before and after a login, on every kind of connection. They are
// refused and closed; nobody else is disturbed, and nothing is left. CPROXY_SEED repeats what they say.

import { newInstance, newNonce } from "../../core/protocol/auth.ts";
import { FrameReader } from "../../core/protocol/frames.ts";
import { controlId, proxyId, sessionNo, tunnelNo } from "../support/ids.ts";
import type { CtlMessage } from "../../core/protocol/messages.ts";
import { encodePreambleAndMeta, GREETING_BYTES, PROXY_FRAME_BYTES } from "../../core/protocol/proxy_frame.ts";
import { MAX_FRAME_BYTES, PROTOCOL_VERSION } from "../../core/protocol/wire.ts";
import { binaryMessage, jsonMessage, noticeMessage } from "../fuzz/messages.ts";
import { joined, randomBytes } from "../fuzz/mutation.ts";
import { noticeFrames } from "../fuzz/targets/frame_streams.ts";
import { greetings, proxyFrames } from "../fuzz/targets/proxy_conn_frames.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { readExactly, soon } from "../support/conns.ts";
import { bytesOf, noticeBytes } from "../support/ctl_peer.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { closes, isGone, provoke, spoilt } from "../support/fuzzed_conns.ts";
import { holdingsAfterStart, idleAgain, memoryOf } from "../support/holdings.ts";
import { payloadSha256 } from "../support/payload.ts";
import { freePorts } from "../support/program.ts";
import { until } from "../support/inspection.ts";
import { encodeAny } from "../support/protocol_frames.ts";
import { type Random, randomFrom, seedOfRun } from "../support/random.ts";
import { publicAddress, type Server, startClient, startServer } from "../support/starts.ts";
import { Traffic } from "../support/traffic.ts";
import { startTransferService, uploadTo } from "../support/transfers.ts";

const TRANSFER_BYTES = 1 << 20;
/** How long the peers go on, and how many there are at a time. */
const FUZZ_MS = 2500;
const PEERS = 6;
/** Bytes by which a program may have more in memory, after a first round, than before. */
const GROWTH_BYTES = 64 << 20;

/** What a peer does once; whether the program closed its connection. */
type Attempt = (random: Random, server: Server) => Promise<boolean>;

const connect = (port: number) => Deno.connect({ hostname: "127.0.0.1", port });

/** A login that is nearly right. */
const strangerAtCtlPort: Attempt = async (random, { ctlPort }) => {
  using conn = await connect(ctlPort);
  const login: CtlMessage[] = [
    {
      type: "NewCtlReq",
      version: PROTOCOL_VERSION,
      nonce: newNonce(),
      instance: newInstance(),
      program: "fuzz",
      workers: 1,
    },
    { type: "NewCtlProof", auth: "none", proof: "" },
  ];
  return await provoke(random, conn, spoilt(random, bytesOf(...login)));
};

/** A greeting that is nearly right, with a ticket that nobody has given out. */
const strangerAtProxyPort: Attempt = async (random, { proxyPort }) => {
  using conn = await connect(proxyPort);
  const greeting = encodePreambleAndMeta(random.between(0, 3), proxyId(random.between(1, 50)), [1, 2, 3, 4]);
  return await provoke(random, conn, random.chance(0.3) ? greeting : spoilt(random, greeting, greetings));
};

/** A client that logs in and then says anything. */
const oddClient: Attempt = async (random, { ctlPort }) => {
  using speaker = await CtlSpeaker.connect(ctlPort);
  await speaker.logIn();
  const messages: CtlMessage[] = [];
  while (random.chance(0.7)) {
    const message = random.chance(0.3) ? jsonMessage(random) : binaryMessage(random);
    // ports that others may want are not this test's to take
    messages.push(message.type === "NewTunnelReq" ? { ...message, remote_port: 0 } : message);
  }
  const bytes = bytesOf(...messages);
  return await provoke(random, speaker.conn, random.chance(0.3) ? bytes : spoilt(random, bytes));
};

/** A client whose notice connection and ProxyConns say anything. */
const oddProxyConns: Attempt = async (random, { ctlPort, proxyPort }) => {
  using speaker = await CtlSpeaker.connect(ctlPort);
  await speaker.logIn();
  using first = await speaker.bring(proxyPort, await speaker.next("NotifyClientNeedProxy"));
  if (random.chance(0.4)) {
    const notices = noticeBytes(noticeMessage(random), noticeMessage(random));
    return await provoke(random, first, spoilt(random, notices, noticeFrames));
  }
  // the next one is for sessions: a visitor of a tunnel starts one
  using second = await speaker.bring(proxyPort, await speaker.next("NotifyClientNeedProxy"));
  await speaker.send({ type: "NewTunnelReq", tunnel: tunnelNo(1), name: "x", remote_port: 0, allow: [], deny: [] });
  const opened = await speaker.next("NewTunnelRsp");
  if (!opened.ok) throw new Error(`The tunnel was refused: ${opened.reason}`);
  using visitor = await connect(opened.remote_port);
  await visitor.write(randomBytes(random, 100));
  if (random.chance(0.8)) await readExactly(second, PROXY_FRAME_BYTES);
  const session = random.between(0, 2);
  const response = encodeAny("StartProxyConnRsp", { status: random.between(0, 2), session });
  const notices = Array.from({ length: random.between(0, 3) }, () => noticeMessage(random));
  await first.write(noticeBytes(...notices));
  const said = joined(response, randomBytes(random, 100));
  return await provoke(random, second, random.chance(0.4) ? said : spoilt(random, said, proxyFrames));
};

const ATTEMPTS = { strangerAtCtlPort, strangerAtProxyPort, oddClient, oddProxyConns };

/** Makes attempts of every kind, some at a time; how many there were of each, and how many connections were closed. */
async function fuzzServer(random: Random, server: Server): Promise<Record<string, { made: number; closed: number }>> {
  const counts = Object.fromEntries(Object.keys(ATTEMPTS).map((name) => [name, { made: 0, closed: 0 }]));
  const names = Object.keys(ATTEMPTS) as (keyof typeof ATTEMPTS)[];
  const end = performance.now() + FUZZ_MS;
  await Promise.all(Array.from({ length: PEERS }, async (_, peer) => {
    for (let i = peer; performance.now() < end; i++) {
      const name = names[i % names.length];
      try {
        if (await soon(name, ATTEMPTS[name](random, server))) counts[name].closed++;
      } catch (error) {
        if (!isGone(error)) throw error;
        counts[name].closed++;
      }
      counts[name].made++;
    }
  }));
  return counts;
}

Deno.test("peers that are nearly right are closed by the server, and a client's traffic goes on meanwhile", async () => {
  const random = randomFrom(seedOfRun());
  await using service = startTransferService(TRANSFER_BYTES);
  await using server = await startServer(["--log_level=debug", "--drain_timeout=1s"]);
  const { program } = server;
  await using client = startClient(server.ctlPort, [`--local_server=${service.address}`, "--drain_timeout=1s"]);
  const address = await publicAddress(client);
  await holdingsAfterStart(client);
  const idle = await holdingsAfterStart(program);
  const refusals = [/Login has failed .*reason=/, /Data connection is refused .*reason=/, /Client has gone .*reason=/]
    .map(
      (refusal) => program.nextLine(refusal, 20_000),
    );
  const traffic = new Traffic(address, TRANSFER_BYTES);
  const before = await residentAfterWarmUp();
  const counts = await fuzzServer(random, server);
  const growth = memoryOf(program) - before;

  assert(await traffic.stop() > 0);
  await Promise.all(refusals);
  for (const [name, { made, closed }] of Object.entries(counts)) {
    assert(made > 5 && closed > 0, `${name}: ${made} attempts, of which ${closed} were closed`);
  }
  console.log(counts);
  await idleAgain(program, idle);
  assert(growth < GROWTH_BYTES, `The server has ${growth} bytes more in memory`);
  assertEquals(/Not connected|WARN|ERROR/.exec(client.output), null, client.output);
  for (const ended of [client, program]) assertEquals((await ended.stop()).code, 0, ended.output);

  async function residentAfterWarmUp(): Promise<number> {
    await fuzzServer(random, server);
    return memoryOf(program);
  }
});

/** What a server that is nearly right counts. */
interface Provoked {
  logins: number;
  closedCtlConns: number;
  proxyConns: number;
  closedProxyConns: number;
}

/** ProxyConns that a client is asked for after each login. */
const ASKED_FOR = 12;

/** A server for clients without a token, whose every answer is nearly right. */
class OddServer implements AsyncDisposable {
  readonly counts: Provoked = { logins: 0, closedCtlConns: 0, proxyConns: 0, closedProxyConns: 0 };
  readonly #random: Random;
  readonly #listeners: Deno.TcpListener[] = [];
  readonly #serving: Promise<void>[] = [];
  readonly #proxyPort: number;
  #proxies = 0;

  constructor(random: Random, ctlPort: number, proxyPort: number) {
    this.#random = random;
    this.#proxyPort = proxyPort;
    this.#listen(ctlPort, (conn) => this.#onCtlConn(conn));
    this.#listen(proxyPort, (conn) => this.#onProxyConn(conn));
  }

  #listen(port: number, serve: (conn: Deno.TcpConn) => Promise<void>): void {
    const listener = Deno.listen({ hostname: "127.0.0.1", port });
    this.#listeners.push(listener);
    const one = async (conn: Deno.TcpConn) => {
      try {
        await serve(conn);
      } catch (error) {
        // the client has ended it in the middle of something
        if (!isGone(error) && !/stream ended|closes it/.test(String(error))) throw error;
      } finally {
        conn.close();
      }
    };
    const accepting = async () => {
      for await (const conn of listener) this.#serving.push(one(conn));
    };
    this.#serving.push(accepting());
  }

  async #onCtlConn(conn: Deno.TcpConn): Promise<void> {
    const random = this.#random;
    const reader = new FrameReader(MAX_FRAME_BYTES);
    await messageOn(conn, reader);
    const challenge: CtlMessage = {
      type: "NewCtlChallenge",
      version: PROTOCOL_VERSION,
      nonce: newNonce(),
      auth: "none",
    };
    if (random.chance(0.25)) {
      if (await provoke(random, conn, spoilt(random, bytesOf(challenge)))) this.counts.closedCtlConns++;
      return;
    }
    await conn.write(bytesOf(challenge));
    await messageOn(conn, reader);
    const asked = Array.from({ length: ASKED_FOR }, (): CtlMessage => {
      const ticket = [1, 2, 3, 4] as const;
      const [worker, notices] = [random.between(0, 3), random.chance(0.3)];
      return { type: "NotifyClientNeedProxy", worker, notices, proxy: proxyId(++this.#proxies), ticket };
    });
    const control = controlId(1);
    const accepted = { ok: true, proof: "", proxy_port: this.#proxyPort, heartbeat_timeout_ms: 1000, control } as const;
    await conn.write(bytesOf({ type: "NewCtlRsp", ...accepted }, ...asked));
    this.counts.logins++;
    // time to bring them
    await closes(conn);
    const messages: CtlMessage[] = [{ type: "Heartbeat" }];
    while (random.chance(0.8)) messages.push(random.chance(0.3) ? jsonMessage(random) : binaryMessage(random));
    if (await provoke(random, conn, spoilt(random, bytesOf(...messages)))) this.counts.closedCtlConns++;
  }

  async #onProxyConn(conn: Deno.TcpConn): Promise<void> {
    const random = this.#random;
    await readExactly(conn, GREETING_BYTES);
    this.counts.proxyConns++;
    const start = encodeAny("StartProxyConnReq", { flags: random.between(0, 1), tunnel: 1, session: sessionNo(1) });
    const notice = noticeBytes(noticeMessage(random));
    const said = random.chance(0.3) ? notice : joined(start, random.chance(0.5) ? randomBytes(random, 200) : notice);
    const target = random.chance(0.5) ? proxyFrames : noticeFrames;
    const bytes = random.chance(0.3) ? said : spoilt(random, said, target);
    if (await provoke(random, conn, bytes)) this.counts.closedProxyConns++;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const listener of this.#listeners) listener.close();
    for (let done = 0; done < this.#serving.length; done++) await this.#serving[done];
  }
}

/** The next message on a connection. */
async function messageOn(conn: Deno.TcpConn, reader: FrameReader): Promise<CtlMessage> {
  for (;;) {
    const message = reader.next();
    if (message !== null) return message;
    const count = await conn.read(reader.room());
    if (count === null) throw new Error("The client closes it");
    reader.filled(count);
  }
}

Deno.test("clients of a server that is nearly right close what they must, and serve again when it is right", async () => {
  const random = randomFrom(seedOfRun());
  await using stack = new AsyncDisposableStack();
  const service = stack.use(startTransferService(TRANSFER_BYTES));
  const [ctlPort, proxyPort] = freePorts(2);
  const start = () => startServer([`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, "--drain_timeout=0"]);
  const first = await start();
  const clients = ["a", "b"].map((name) => {
    const flags = [`--name=${name}`, `--local_server=${service.address}`, "--drain_timeout=1s"];
    return { name, program: stack.use(startClient(ctlPort, flags)) };
  });
  for (const { name, program } of clients) await publicAddress(program, name);
  const idle = await Promise.all(clients.map(({ program }) => holdingsAfterStart(program)));
  await first.program.stop();

  const { counts } = await soonEnough(new OddServer(random, ctlPort, proxyPort));
  console.log(counts);
  assert(counts.logins >= 5 && counts.closedCtlConns > 0, "No login, or no ctl_conn was closed by a client");
  assert(counts.proxyConns > 20 && counts.closedProxyConns > 0, "No ProxyConns, or none was closed by a client");

  const up = clients.map(({ name, program }) =>
    program.nextLine(new RegExp(`Tunnel is up .*name=${name} .*public=([^ ]+)`), 30_000)
  );
  stack.use(await start());
  for (const [i, { program }] of clients.entries()) {
    const [, address] = await up[i];
    assertEquals(await uploadTo(address, 7, TRANSFER_BYTES), payloadSha256(7, TRANSFER_BYTES));
    await idleAgain(program, idle[i]);
    assertEquals((await program.stop()).code, 0, program.output);
  }

  /** Lets the clients meet the odd server for some time. */
  async function soonEnough(odd: OddServer): Promise<OddServer> {
    await using server = odd;
    await until("clients have met it often", () => server.counts.logins, (logins) => logins >= 5, 20_000);
    return server;
  }
});
