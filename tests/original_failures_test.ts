// The failures that were measured on the original, in C++: one test for each, none of which may come back.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { libc } from "../ffi/libc.ts";
import { raiseDescriptorLimit } from "../ffi/process.ts";
import { receive } from "../ffi/socket.ts";
import { proxyId, sessionNo, tunnelNo } from "./support/ids.ts";
import type { Notice } from "../core/protocol/messages.ts";
import { encodePreambleAndMeta } from "../core/protocol/proxy_frame.ts";
import { newTicket } from "../core/protocol/ticket.ts";
import { StreamSocket } from "../core/reactor/stream_socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  readToEnd,
  soon,
  visitEnding,
  writeAll,
  writePayload,
} from "./support/conns.ts";
import { noticeBytes } from "./support/ctl_peer.ts";
import { CtlSpeaker } from "./support/ctl_speaker.ts";
import { cpuSecondsOf, type Holdings, holdingsAfterStart, idleAgain } from "./support/holdings.ts";
import { digest, payloadSha256 } from "./support/payload.ts";
import { freePorts, type Program } from "./support/program.ts";
import { publicAddress, type Server, startClient, startServer } from "./support/starts.ts";
import { testOnStage } from "./support/stage.ts";

const F_DUPFD_CLOEXEC = 1030;
/** Resources are shared by the tests of this file, which the sanitizers take for leaks. */
const SHARED = { sanitizeOps: false, sanitizeResources: false };

const listeners = { one: listenLocally(), other: listenLocally() };
const [absentPort, ctlPort, proxyPort] = freePorts(3);
const serverFlags = [`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, "--drain_timeout=1s"];
const folder = Deno.makeTempDirSync({ prefix: "cproxy-" });
const clientFlags = [`--config=${folder}/client.yaml`, "--drain_timeout=1s"];
const addresses = { one: "", other: "", absent: "" };
let server: Server;
let client: Program;
let idle: readonly [server: Holdings, client: Holdings];

Deno.test.beforeAll(async () => {
  server = await startServer(serverFlags);
  const local = {
    one: addressOf(listeners.one),
    other: addressOf(listeners.other),
    absent: `127.0.0.1:${absentPort}`,
  };
  const tunnels = Object.entries(local).map(([name, to]) => `  - { name: ${name}, local_server: "${to}" }\n`);
  await Deno.writeTextFile(`${folder}/client.yaml`, `tunnels:\n${tunnels.join("")}`);
  client = startClient(ctlPort, clientFlags);
  for (const name of ["one", "other", "absent"] as const) addresses[name] = await publicAddress(client, name);
  idle = [await holdingsAfterStart(server.program), await holdingsAfterStart(client)];
});

Deno.test.afterAll(async () => {
  await client.stop();
  await server.program.stop();
  for (const listener of Object.values(listeners)) listener.close();
  await Deno.remove(folder, { recursive: true });
});

type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

async function session(name: "one" | "other" = "one"): Promise<Ends> {
  const both = Promise.all([connectTo(addresses[name]), acceptFrom(listeners[name])]);
  return await soon("a session starts", both);
}

/** A byte each way: the session is alive. */
async function exchange([visitor, service]: Ends): Promise<void> {
  await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
  const read = await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
  assertEquals(read, [new Uint8Array([2]), new Uint8Array([1])]);
}

/** A whole session of one exchange. */
async function visit(name: "one" | "other" = "one"): Promise<void> {
  const ends = await session(name);
  await exchange(ends);
  ends[1].close();
  assertEquals(await soon("the end arrives", endingOf(ends[0])), "end");
  ends[0].close();
}

/** Seconds of processor time that a program uses in one second. */
async function load(program: Program): Promise<number> {
  const before = cpuSecondsOf(program);
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return cpuSecondsOf(program) - before;
}

Deno.test("a hundred short connections leave no descriptor behind, and none hangs", SHARED, async () => {
  for (let i = 0; i < 100; i++) await visit();
  await idleAgain(server.program, idle[0]);
  await idleAgain(client, idle[1]);
});

Deno.test("eight megabytes arrive at a reader that is slow, and at one that is fast", SHARED, async () => {
  for (const wait of [5, 0]) {
    const [visitor, service] = await session();
    const sent = writePayload(service, 1, 8 << 20).then(() => service.close());
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, 200)); // everything on the way fills up
    const slowly = new ReadableStream<Uint8Array>({
      async pull(controller) {
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
        const room = new Uint8Array(65_536);
        const count = await visitor.read(room);
        if (count === null) controller.close();
        else controller.enqueue(room.subarray(0, count));
      },
    }, { highWaterMark: 0 });
    const received = await soon("all of it arrives", digest(slowly));
    assertEquals(received, { bytes: 8 << 20, sha256: payloadSha256(1, 8 << 20) });
    await sent;
    visitor.close();
  }
});

Deno.test("a second tunnel accepts while a connection of the first one is open", SHARED, async () => {
  const ends = await session("one");
  await exchange(ends);
  await visit("other");
  await exchange(ends);
  for (const conn of ends) conn.close();
});

Deno.test("a LocalServer that is down costs its visitor the connection, and the client nothing", SHARED, async () => {
  const ends = await session("other");
  for (let i = 0; i < 20; i++) {
    assertEquals(await soon("the visitor is closed", visitEnding(addresses.absent)), "reset");
  }
  await exchange(ends);
  for (const conn of ends) conn.close();
});

Deno.test("two bytes on either port of the server stop nobody", SHARED, async () => {
  const strangers: Deno.TcpConn[] = [];
  for (const port of [ctlPort, proxyPort]) {
    for (let i = 0; i < 50; i++) {
      const stranger = await connectTo(`127.0.0.1:${port}`);
      await writeAll(stranger, new Uint8Array([0, 0]));
      strangers.push(stranger);
    }
  }
  await visit();
  using other = await CtlSpeaker.connect(ctlPort);
  await soon("another client logs in", other.logIn());
  await visit();
  for (const stranger of strangers) stranger.close();
  await idleAgain(server.program, { ...idle[0], sockets: idle[0].sockets + 1 });
});

Deno.test(
  "a client that names what is another's, or nobody's, disturbs no session and stops nothing",
  SHARED,
  async () => {
    const ends = await session();
    const sent = writePayload(ends[0], 1, 10_000_000).then(() => ends[0].closeWrite()); // waits for its reader
    using stranger = await CtlSpeaker.connect(ctlPort);
    const { proxy_port } = await soon("the stranger logs in", stranger.logIn());
    const need = await soon("it is asked for a ProxyConn", stranger.next("NotifyClientNeedProxy"));

    const notices: Notice[] = [];
    for (const proxy of [...Array(200).keys()].map((i) => proxyId(i + 1)).concat(proxyId(0xffff_ffff))) {
      for (const session of [1, 2, 3, 100, 0xffff_ffff].map(sessionNo)) {
        notices.push({ type: "NotifyProxyShutdownPeerConn", proxy, session, total: 0 });
        notices.push({ type: "FreeProxyConnReq", proxy, session });
        notices.push({ type: "ResetSession", proxy, session, total: 0 });
      }
    }
    await stranger.send({ type: "CloseTunnel", tunnel: tunnelNo(1), reason: "not mine" });
    // the first connection that it is asked for is one for notices
    assert(need.notices);
    const conn = await stranger.bring(proxy_port, need);
    await writeAll(conn, noticeBytes(...notices));

    // a ProxyConn that nobody asked for, for every number that somebody may be waited for with
    for (let proxy = 1; proxy <= 20; proxy++) {
      const guess = await connectTo(`127.0.0.1:${proxy_port}`);
      await writeAll(guess, encodePreambleAndMeta(0, proxyId(proxy), newTicket()));
      await soon("it is closed", endingOf(guess));
      guess.close();
    }

    const received = await soon("the session's bytes arrive", readToEnd(ends[1]));
    assertEquals(received, { bytes: 10_000_000, sha256: payloadSha256(1, 10_000_000) });
    await sent;
    await writeAll(ends[1], new Uint8Array([2]));
    assertEquals(await soon("the answer arrives", readExactly(ends[0], 1)), new Uint8Array([2]));
    for (const end of ends) end.close();
    conn.close();
    await visit();
  },
);

Deno.test("a server that is killed leaves a client that waits for it and burns nothing", SHARED, async () => {
  const gone = client.nextLine(/Not connected to the server/);
  server.program.kill("SIGKILL");
  await gone;
  const used = await load(client);
  assert(used < 0.5, `The client used ${used} s in a second of waiting`);
  const back = client.nextLine(/Tunnel is up .*name=one .*public=([^ ]+)/, 20_000);
  await server.program.stop();
  server = await startServer(serverFlags);
  assertEquals((await back)[1], addresses.one);
  await visit();
});

Deno.test("a client that is killed leaves no port open at a server that burns nothing", SHARED, async () => {
  const gone = server.program.nextLine(/Tunnel is down .*name=absent/);
  client.kill("SIGKILL");
  await client.stop();
  await gone;
  for (const address of Object.values(addresses)) {
    const error = await connectTo(address).then((conn) => conn.close(), (error) => error);
    assert(error instanceof Deno.errors.ConnectionRefused, `${address} is still open`);
  }
  const used = await load(server.program);
  assert(used < 0.5, `The server used ${used} s in a second of having no client`);
});

testOnStage(
  "a connection with a descriptor number beyond 100,000, or the highest there may be, is one like any other",
  (stage) => {
    const { fd: low, peer } = stage.connectUnwatched();
    // the fd of a limit is the first that is too high
    const fd = libc.fcntl(low, F_DUPFD_CLOEXEC, Math.min(100_001, raiseDescriptorLimit() - 1)) as Descriptor;
    close(low);
    assert(fd > 1000, `errno ${fd}`);
    const socket = new StreamSocket(stage.loop, fd);
    stage.step();
    assertEquals([socket.readable, socket.writable], [false, true]);
    peer.sendAll("x");
    stage.until(() => socket.readable, "an event");
    const room = new Uint8Array(2);
    assertEquals([receive(fd, room), room[0]], [1, 120]);
    socket.close();
    stage.step();
    assertEquals(peer.read().state, "end");
  },
);
