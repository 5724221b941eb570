// Connections that one side takes for alive and the other has lost: of clients that come back, of clients that do not, of
// idle ProxyConns; and clients that find no server for a while.

import { newInstance } from "../../core/protocol/auth.ts";
import { tunnelNo } from "../support/ids.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { addressOf, connectTo, readToEnd, soon, writePayload } from "../support/conns.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import {
  FAR_ENV,
  FIXED_PORT,
  heldAfterStart,
  heldAgain,
  session,
  startFarPair,
  type TwoTunnels,
} from "../support/far_pair.ts";
import { tcpSocketsOf, until } from "../support/inspection.ts";
import { Names } from "../support/names.ts";
import { ignoreWithoutNetworks, Network, SERVER_HOST } from "../support/network.ts";
import { payloadSha256 } from "../support/payload.ts";
import { startClient, startServer } from "../support/starts.ts";
import { ignoreWithout } from "../support/tools.ts";

/** Steps that run at the same time: most of their time they wait. */
const CONCURRENT = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
/** Ms for a login, whatever became of the connection before: the bound that is promised. */
const LOGIN_MS = 2000;
const LOGINS = 100;
const HOST = "server.test";
/**
 * KiB of memory that the second half of them may cost: what V8 takes for itself. A connection that stays is seen as a
 * socket.
 */
const GROWTH_KIB = 16_384;
const TUNNEL = { tunnel: tunnelNo(1), name: "x", remote_port: FIXED_PORT, allow: [], deny: [] };

/** KiB of memory that a process has. */
function memoryOf(pid: number): number {
  return Number(/^VmRSS:\s+(\d+)/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))![1]);
}

/** A client comes back again and again; the server has heard nothing of its being away. */
async function comesBack(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await Network.make());
  const server = stack.use(await network.server.inside(() => startServer(["--bind=0.0.0.0"], FAR_ENV)));
  const { pid } = server.program;
  const [instance, listening] = [newInstance(), tcpSocketsOf(pid)];
  let halfway = 0;
  for (let login = 1; login <= LOGINS; login++) {
    using speaker = await network.client.inside(() => CtlSpeaker.connect(server.ctlPort, SERVER_HOST));
    await soon("the login", speaker.logIn(instance, FAR_ENV.CPROXY_TOKEN), LOGIN_MS);
    await speaker.send({ type: "NewTunnelReq", ...TUNNEL });
    const { ok } = await soon("the tunnel", speaker.next("NewTunnelRsp"));
    assert(ok, "The port is not free");
    // from here on nothing of this connection arrives anywhere, its end neither
    await network.mend();
    await network.lose([speaker.conn.localAddr.port]);
    if (login === LOGINS / 2) halfway = memoryOf(pid);
  }
  const growth = memoryOf(pid) - halfway;
  assert(growth < GROWTH_KIB, `${growth} KiB more than halfway`);
  // the last one is taken for alive: its ctl_conn and its public port
  await until("what is held for one client", () => tcpSocketsOf(pid), (now) => now === listening + 2);
}

/** Two clients want one port: the first has it as long as it lives, for the server, and there is no to and fro. */
async function onePortForTwo(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const flags = ["--heartbeat_interval=300ms", "--heartbeat_timeout=1500ms"];
  const pair = stack.use(await startFarPair({ flags }));
  const { network, server, client: first, addresses } = pair;
  const whoServes = async () => {
    const conns = await soon("a session through the port", session(pair, addresses[0]));
    for (const conn of conns) conn.close();
  };
  const port = `--remote_port=${FIXED_PORT}`;
  const local = [`--local_server=${addressOf(pair.listener)}`, "--drain_timeout=1s", ...flags];
  const second = stack.use(network.server.inside(() => startClient(pair.ctlPort, [port, ...local], FAR_ENV)));
  await second.line(/Tunnel is refused .*Port 9000 belongs to tunnel \\"fixed\\" of the client at/);
  await second.nextLine(/Tunnel is refused/);
  await whoServes();
  assert(!/Tunnel is down/.test(server.output), server.output);

  await network.lose("everything");
  const taken = second.line(/Tunnel is up/);
  await first.nextLine(/Not connected/);
  await taken;

  const [refused, back] = [
    first.nextLine(/Tunnel is refused .*name=fixed/),
    first.nextLine(/Tunnel is up .*name=chosen/),
  ];
  await network.mend();
  await Promise.all([refused, back]);
  const conns = await soon("a session through the other tunnel", session(pair, addresses[1]));
  for (const conn of conns) conn.close();
  const returned = first.nextLine(/Tunnel is up .*name=fixed .*:9000 /, 20_000);
  second.kill("SIGKILL");
  await returned;
  await whoServes();
}

/** Answers every visitor with a payload once its stream has ended; what each sent, by its bytes and SHA-256. */
function answerAll(listener: Deno.TcpListener): string[] {
  const served: string[] = [];
  const serve = async (service: Deno.TcpConn) => {
    const { bytes, sha256 } = await readToEnd(service);
    served.push(`${bytes} ${sha256}`);
    await writePayload(service, bytes, 100_000);
    service.close();
  };
  void (async () => {
    for await (const service of listener) serve(service).catch(() => service.close());
  })();
  return served;
}

/** Visitors of different lengths come at once: each is served in full, and once. */
async function visitAll(pair: TwoTunnels, served: string[]): Promise<void> {
  served.length = 0;
  const lengths = [0, 1, 3000, 200_000, 2_000_000, 7];
  await soon(
    "every visitor is served",
    Promise.all(lengths.map(async (bytes, i) => {
      const visitor = await pair.connect(pair.addresses[i % 2]);
      const sent = writePayload(visitor, bytes, bytes).then(() => visitor.closeWrite());
      assertEquals(await readToEnd(visitor), { bytes: 100_000, sha256: payloadSha256(bytes, 100_000) });
      await sent;
      visitor.close();
    })),
  );
  assertEquals(served.sort(), lengths.map((bytes) => `${bytes} ${payloadSha256(bytes, bytes)}`).sort());
}

/** All pooled connections are lost in some way, the notice connection as well. */
async function losesPool(way: "lost in between" | "client" | "server"): Promise<void> {
  await using pair = await startFarPair({ server: ["--pool_count=4"] });
  const { network, listener, proxyPort } = pair;
  const served = answerAll(listener);
  const before = await heldAfterStart(pair);
  const pooled = before[1].tcpSockets - 1; // the ctl_conn
  const lost = new Set<number>();
  for (let round = 0; round < 2; round++) {
    const ss = (side: "client" | "server", ...flags: string[]) => {
      const port = side === "client" ? `dport = :${proxyPort}` : `sport = :${proxyPort}`;
      return network[side].tool("ss", ["--no-header", "--tcp", "--numeric", ...flags, "state", "established", port]);
    };
    const look = async () => {
      const all = [...(await ss("client")).matchAll(/:(\d+)\s+\S+:\d+\s*$/gm)].map(([, port]) => Number(port));
      // those that were lost before may still be there
      return all.filter((port) => !lost.has(port));
    };
    const ports = await until("the pool is full", look, (ports) => ports.length >= pooled);
    if (way === "lost in between") {
      for (const port of ports) lost.add(port);
      await network.lose(ports);
      // until none is taken for fresh any more
      await new Promise((resolve) => setTimeout(resolve, 3200));
    } else {
      await ss(way, "--kill");
    }
    await visitAll(pair, served);
  }
  await network.mend();
  await heldAgain(before, 45_000);
}

/** The end of a stream is told by a notice connection that is lost, while all else is well. */
async function losesNotices(): Promise<void> {
  await using pair = await startFarPair();
  const { network, proxyPort, addresses } = pair;
  const before = await heldAfterStart(pair);
  const [visitor, service] = await session(pair, addresses[0]);
  await Promise.all([writePayload(visitor, 1, 100_000).then(() => visitor.closeWrite()), readToEnd(service)]);
  const look = (side: "client" | "server") => {
    const port = side === "client" ? `dport = :${proxyPort}` : `sport = :${proxyPort}`;
    const flags = ["--oneline", "--no-header", "--tcp", "--numeric", "--info", "state", "established"];
    return network[side].tool("ss", [...flags, port]);
  };
  // nothing is left that would have the server find out by itself
  await until("all is acknowledged", () => look("server"), (conns) => !conns.includes("unacked"));
  const others: number[] = [];
  for (const conn of (await look("client")).trim().split("\n")) {
    const [, port] = /:(\d+)\s+\S+:\d+\s/.exec(conn)!;
    const received = /\bbytes_received:(\d+)/.exec(conn)?.[1] ?? 0;
    if (Number(received) < 100_000) others.push(Number(port));
  }
  assert(others.length > 0);
  await network.lose(others);
  await writePayload(service, 2, 100_000);
  service.close();
  // 10 to 20 s until the notice connection counts as lost, and 3 s more
  const { bytes, sha256 } = await soon("the answer and its end", readToEnd(visitor), 35_000);
  assertEquals([bytes, sha256], [100_000, payloadSha256(2, 100_000)]);
  visitor.close();
  await network.mend();
  await heldAgain(before, 45_000);
}

/** A client is there before everything that it needs, and then its server moves. */
async function findsServer(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const network = stack.use(await Network.make());
  const names = stack.use(await Names.make());
  const listener = stack.adopt(
    network.client.inside(() => Deno.listen({ hostname: "127.0.0.1", port: 0 })),
    (listener) => listener.close(),
  );
  const [ctlPort, proxyPort] = [8080, 8090]; // in a namespace where nobody else is
  const clientFlags = [`--cproxy_server=${HOST}:${ctlPort}`, `--local_server=${addressOf(listener)}`];
  const client = stack.use(network.client.inside(() => startClient(ctlPort, clientFlags, FAR_ENV, names.launcher)));
  const fails = (how: RegExp) => client.line(new RegExp(`Not connected to the server .*${how.source}`), 30_000);
  const serverFlags = [`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, "--drain_timeout=1s"];
  const startAt = (host: string) =>
    network.server.inside(() => startServer([`--bind=${host}`, ...serverFlags], FAR_ENV));
  /** Waits until the tunnel is up at `host` again, and uses it. */
  const worksAt = async (host: string, up: Promise<RegExpExecArray>) => {
    const [, address] = await up;
    assert(address.startsWith(`${host}:`), address);
    const connect = (address: string) => network.server.inside(() => connectTo(address));
    for (const conn of await soon("a session", session({ listener, connect }, address))) conn.close();
  };
  const nextUp = () => client.nextLine(/Tunnel is up .*public=(\S+)/, 35_000); // the longest back-off and some

  await fails(/Cannot resolve/);
  await network.lose("everything");
  await names.set(HOST, SERVER_HOST);
  await fails(/out of reach/);
  await network.mend();
  await fails(/connection refused/);
  let up = nextUp();
  const first = await startAt(SERVER_HOST);
  await worksAt(SERVER_HOST, up);

  up = nextUp();
  await first.program.stop();
  const elsewhere = SERVER_HOST.replace(/\d+$/, "77");
  await network.server.ip(`addr add ${elsewhere}/24 dev eth0`);
  stack.use(await startAt(elsewhere));
  await names.set(HOST, elsewhere);
  await worksAt(elsewhere, up);
}

Deno.test({
  name: "what one side takes for alive and the other has lost",
  ignore: ignoreWithoutNetworks() || ignoreWithout("ss"),
  ...CONCURRENT,
  fn: async (t) => {
    const step = (name: string, fn: () => Promise<void>) => t.step({ name, fn, ...CONCURRENT });
    const ended = [
      step("a client that returns unheard logs in within 2 s, a hundred times, and leaves nothing", comesBack),
      step(
        "a port belongs to one client as long as it lives, and then to who asks, and there is no to and fro",
        onePortForTwo,
      ),
      step(
        "a client that finds no name, no way or no server, or its server elsewhere, is there in the end",
        findsServer,
      ),
      step("the end of a stream arrives when the notice of it is lost", losesNotices),
      ...(["lost in between", "client", "server"] as const).map((way) =>
        step(`pooled connections that are gone cost no visitor a byte: ${way}`, () => losesPool(way))
      ),
    ];
    assert((await Promise.all(ended)).every(Boolean), "Not every step has passed");
  },
});
