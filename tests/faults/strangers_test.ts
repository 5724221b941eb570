// What whoever is not logged in can do to those who are, or want to be: nothing.

import { ServerLogin } from "../../core/client/control/server_login.ts";
import { newInstance } from "../../core/protocol/auth.ts";
import { FrameReader } from "../../core/protocol/frames.ts";
import type { CtlMessage } from "../../core/protocol/messages.ts";
import { MAX_FRAME_BYTES } from "../../core/protocol/wire.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { awaited, connectCrowd } from "../support/crowd.ts";
import { bytesOf } from "../support/ctl_peer.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { descriptorsOf, until } from "../support/inspection.ts";
import type { Peer } from "../support/stage.ts";
import { publicAddress, type Server, startClient, startServer } from "../support/starts.ts";

const socketsOf = (server: Server) => descriptorsOf(server.program.pid).socket ?? 0;

/** Waits until a server has closed them; none of them was told anything. */
async function assertClosed(peers: readonly Peer[]): Promise<void> {
  let closed = 0;
  await awaited("the server closes all strangers", () => {
    while (closed < peers.length && peers[closed].read().state !== "open") closed++;
    return closed === peers.length;
  });
  for (const peer of peers) assertEquals(peer.count, 0);
}

Deno.test("five hundred silent or one-byte connections to either port keep no client waiting, and are closed", async () => {
  await using server = await startServer(["--max_unauthenticated=300"]);
  const idle = socketsOf(server);
  const crowd: Peer[] = [];
  try {
    for (const port of [server.ctlPort, server.proxyPort]) {
      const peers = await connectCrowd(`127.0.0.1:${port}`, 500);
      for (const peer of peers.slice(0, 250)) peer.sendAll("\0");
      crowd.push(...peers);
    }
    await server.program.line(/WARN .*Too many connections that do not log in/);
    const before = performance.now();
    using client = await CtlSpeaker.connect(server.ctlPort);
    await client.logIn();
    const took = performance.now() - before;
    assert(took < 1000, `The login took ${Math.round(took)} ms`);
    const held = socketsOf(server) - idle;
    assert(held <= 301, `The server holds ${held} sockets for strangers and a client`);
    await assertClosed(crowd);
  } finally {
    for (const peer of crowd) peer.close();
  }
  await until("the server holds what it held before", () => socketsOf(server), (sockets) => sockets === idle);
});

Deno.test("while silent connections come without end, clients of the same address log in", async () => {
  await using server = await startServer(["--max_unauthenticated_per_address=50"]);
  let stopped = false;
  const flood = (async () => {
    let count = 0;
    for (; !stopped; count += 100) {
      const peers = await connectCrowd(`127.0.0.1:${server.ctlPort}`, 100);
      // the loopback is so fast that this process would do nothing else
      await new Promise((resolve) => setTimeout(resolve, 1));
      for (const peer of peers) peer.close();
    }
    return count;
  })();
  try {
    for (let i = 0; i < 30; i++) {
      using client = await CtlSpeaker.connect(server.ctlPort);
      await client.logIn();
    }
  } finally {
    stopped = true;
    await flood;
  }
  assert(await flood > 500);
  const lines = server.program.output.split("\n").filter((line) => line.includes("Login has failed"));
  assert(lines.length <= 20, `${lines.length} lines about failed logins`);
});

/** A login with a token that is a guess; what the server says to it. */
async function guess({ ctlPort }: Server, token: string): Promise<string> {
  using conn = await Deno.connect({ hostname: "127.0.0.1", port: ctlPort });
  const login = new ServerLogin(token, newInstance(), "test");
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const send = async (message: CtlMessage) => void await conn.write(bytesOf(message));
  await send(login.request);
  for (;;) {
    const count = await conn.read(reader.room());
    if (count === null) return "closed";
    reader.filled(count);
    for (let message = reader.next(); message !== null; message = reader.next()) {
      const step = login.onMessage(message);
      if (step.kind === "answer") await send(step.message);
      else return step.kind === "in" ? "in" : step.reason;
    }
  }
}

Deno.test("a guesser of tokens is answered later and later, and a client of the same address still logs in", async () => {
  const token = crypto.randomUUID();
  await using server = await startServer([], { CPROXY_TOKEN: token });
  for (let i = 0; i < 8; i++) assertEquals(await guess(server, `guess ${i}`), "The client's token is not the server's");
  // from here on a proof waits, whosoever it is
  const order: string[] = [];
  const noted = async (name: string, what: Promise<string>) => {
    assertEquals(await what, name === "client" ? "in" : "The client's token is not the server's");
    order.push(name);
  };
  const guesses = Array.from({ length: 60 }, (_, i) => noted("guess", guess(server, `another guess ${i}`)));
  await using client = startClient(server.ctlPort, ["--local_server=127.0.0.1:9"], { CPROXY_TOKEN: token });
  await publicAddress(client);
  await Promise.all([...guesses, noted("client", guess(server, token))]);
  assertEquals(order.length, 61);
  const lines = server.program.output.split("\n").filter((line) => line.includes("Login has failed"));
  assertEquals(lines.length, 20);
});
