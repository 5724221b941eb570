// What a client that has logged in, or a server, can do to the other side and to other clients by saying what no correct
// one says: no memory without bounds, and nothing to anybody else.

import { close } from "../../ffi/descriptor.ts";
import { portOf } from "../../ffi/socket_address.ts";
import { newNonce } from "../../core/protocol/auth.ts";
import { controlId, proxyId, sessionNo, tunnelNo } from "../support/ids.ts";
import type { CtlMessage, Notice } from "../../core/protocol/messages.ts";
import { GREETING_BYTES, parseProxyMetaSet, PREAMBLE_BYTES } from "../../core/protocol/proxy_frame.ts";
import { newTicket } from "../../core/protocol/ticket.ts";
import { PROTOCOL_VERSION } from "../../core/protocol/wire.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { acceptFrom, listenLocally, readExactly, soon, writeAll } from "../support/conns.ts";
import { noticeBytes } from "../support/ctl_peer.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { memoryOf } from "../support/holdings.ts";
import { descriptorsOf, until } from "../support/inspection.ts";
import { newTunnelReq } from "../support/messages.ts";
import type { Program } from "../support/program.ts";
import { listenSomewhere, Stage } from "../support/stage.ts";
import { startClient, startPair, startServer } from "../support/starts.ts";
import { Traffic } from "../support/traffic.ts";
import { startTransferService } from "../support/transfers.ts";

const TRANSFER_BYTES = 1 << 20;
/** Bytes by which a program may grow while it is flooded: its heap as it comes and goes, and what it lets wait. */
const MOST_GROWTH = 200 << 20;

/** Runs `flood` and fails when the program has grown too much meanwhile. */
async function assertBounded(program: Program, flood: () => Promise<void>): Promise<void> {
  const before = memoryOf(program);
  let most = before;
  const looking = setInterval(() => most = Math.max(most, memoryOf(program)), 50);
  try {
    await flood();
  } finally {
    clearInterval(looking);
  }
  const grown = most - before;
  assert(grown < MOST_GROWTH, `The ${program.name} grew by ${Math.round(grown / 2 ** 20)} MiB`);
}

/** Notices about all sessions that there may be, whosoever they are. */
function everyNotice(): Notice[] {
  const messages: Notice[] = [];
  for (let proxy = 1; proxy <= 16; proxy++) {
    for (let session = 1; session <= 64; session++) {
      const of = { proxy: proxyId(proxy), session: sessionNo(session) };
      messages.push({ type: "ResetSession", ...of, total: 0 }, { type: "FreeProxyConnReq", ...of });
      messages.push({ type: "NotifyProxyShutdownPeerConn", ...of, total: 0 });
    }
  }
  return messages;
}

function everyTunnel(): CtlMessage[] {
  return Array.from({ length: 16 }, (_, i) => ({ type: "CloseTunnel", tunnel: tunnelNo(i + 1), reason: "mine" }));
}

Deno.test("notices about other clients' sessions, and tunnels opened and closed without end, disturb nobody", async () => {
  await using transfers = startTransferService(TRANSFER_BYTES);
  await using pair = await startPair(transfers.address);
  const traffic = new Traffic(pair.address, TRANSFER_BYTES);
  using hostile = await CtlSpeaker.connect(pair.ctlPort);
  const { proxy_port } = await hostile.logIn();
  using notices = await hostile.bring(proxy_port, await hostile.next("NotifyClientNeedProxy"));
  const ignoring = hostile.ignore().catch(() => {});
  const flap: CtlMessage[] = Array.from({ length: 1000 }, () => [
    newTunnelReq(1, "x", 0),
    { type: "CloseTunnel" as const, tunnel: tunnelNo(1), reason: "again" },
  ]).flat();
  await assertBounded(pair.server, async () => {
    const bytes = noticeBytes(...everyNotice());
    for (let i = 0; i < 400; i++) await writeAll(notices, bytes);
    await hostile.flood(400, ...everyTunnel());
    await hostile.flood(50, ...flap);
  });
  assert(await traffic.stop() > 5);
  hostile.close();
  await ignoring;
  await pair.server.line(/Client has gone client=2 /);
  assert(!pair.server.output.includes("Client has gone client=1 "));
});

Deno.test("a client that reads nothing is given up, and what waits for it is bounded", async () => {
  await using server = await startServer();
  using client = await CtlSpeaker.connect(server.ctlPort);
  await client.logIn();
  await client.send(newTunnelReq(1, "mine", 0));
  const opened = await client.next("NewTunnelRsp");
  assert(opened.ok);
  // each is refused, with a reason
  const requests = Array.from({ length: 1000 }, (_, i) => newTunnelReq(2 + i, "mine", opened.remote_port));
  await assertBounded(server.program, async () => {
    try {
      for (;;) await client.flood(1, ...requests);
    } catch (error) {
      assert(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe, String(error));
    }
  });
  await server.program.line(/Client has gone .*reason="the peer does not read"/);
});

/** A server of one client: its end of the ctl_conn, logged in without a token. */
async function admit(listener: Deno.TcpListener, proxyPort: number): Promise<CtlSpeaker> {
  const speaker = new CtlSpeaker(await acceptFrom(listener));
  await speaker.next("NewCtlReq");
  await speaker.send({ type: "NewCtlChallenge", version: PROTOCOL_VERSION, nonce: newNonce(), auth: "none" });
  await speaker.next("NewCtlProof");
  const more = { proof: "", proxy_port: proxyPort, heartbeat_timeout_ms: 60_000, control: controlId(1) };
  await speaker.send({ type: "NewCtlRsp", ok: true, ...more });
  return speaker;
}

function needProxy(proxy: number): CtlMessage {
  return { type: "NotifyClientNeedProxy", worker: 0, notices: false, proxy: proxyId(proxy), ticket: newTicket() };
}

Deno.test("a server that asks for ProxyConns without end gets a bounded number, and none twice", async () => {
  using ctl = listenLocally();
  using proxies = listenLocally();
  const { port } = ctl.addr;
  await using client = startClient(port, ["--local_server=127.0.0.1:9"]);
  {
    using server = await admit(ctl, proxies.addr.port);
    await server.flood(100, needProxy(7));
    await server.send(needProxy(8));
    const first = await soon("the first ProxyConn", acceptFrom(proxies));
    const second = await soon("the second ProxyConn", acceptFrom(proxies));
    // one of a number that is there already would have come before the one that was asked for last
    for (const [conn, number] of [[first, 7], [second, 8]] as const) {
      const greeting = await soon("a greeting", readExactly(conn, GREETING_BYTES));
      assertEquals(parseProxyMetaSet(new DataView(greeting.buffer, PREAMBLE_BYTES)).proxy, proxyId(number));
      conn.close();
    }
  }
  // nobody answers there: the queue of this listener is full
  const silent = listenSomewhere(0);
  const stage = new Stage();
  for (let i = 0; i < 3; i++) stage.caller(silent.address);
  try {
    using server = await soon("the client comes back", admit(ctl, portOf(silent.address)));
    const sockets = () => descriptorsOf(client.pid).socket ?? 0;
    const before = sockets();
    await assertBounded(client, async () => {
      for (let i = 0; i < 200; i++) {
        await server.send(...Array.from({ length: 500 }, (_, j) => needProxy(1 + i * 500 + j)));
      }
      await until("the client connects all it will", sockets, (now) => now >= before + 4096);
    });
    assertEquals(sockets() - before, 4096);
    server.close();
    await until("the client has given them up", sockets, (now) => now < before);
  } finally {
    stage.dispose();
    close(silent.fd);
  }
});
