// How the programs end: in order on a signal, cut off by drain_timeout, at once on a second signal, and when a Worker dies.

import { assert, assertEquals, assertMatch, assertRejects } from "./support/assert.ts";
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
import { countersOf } from "./support/inspection.ts";
import { digest, payloadSha256 } from "./support/payload.ts";
import { freePorts, Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";
import { FROM_SOURCE } from "./support/tunnels.ts";

const LARGE = 10_000_000;

type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

/** A session that is known to relay both ways. */
async function session(address: string, listener: Deno.TcpListener): Promise<Ends> {
  const ends = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
  await Promise.all([writeAll(ends[0], new Uint8Array([1])), writeAll(ends[1], new Uint8Array([2]))]);
  await soon("a byte goes each way", Promise.all([readExactly(ends[0], 1), readExactly(ends[1], 1)]));
  return ends;
}

/** Plays the rest of a session: a large upload, and an even larger answer to its end. */
async function finish([visitor, service]: Ends): Promise<void> {
  const sent = writePayload(visitor, 1, LARGE).then(() => visitor.closeWrite());
  assertEquals((await soon("the upload arrives", readToEnd(service))).sha256, payloadSha256(1, LARGE));
  await sent;
  const answered = writePayload(service, 2, 2 * LARGE).then(() => service.close());
  assertEquals((await soon("the answer arrives", readToEnd(visitor))).sha256, payloadSha256(2, 2 * LARGE));
  await answered;
  visitor.close();
}

/** What a connection still has, up to the end of the stream. */
async function readAll(conn: Deno.TcpConn): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = [];
  for (;;) {
    const room = new Uint8Array(65_536);
    const count = await conn.read(room);
    if (count === null) return chunks;
    chunks.push(room.subarray(0, count));
  }
}

/**
 * Waits until nobody is let in any more at the public ports of a client: `absent`, which has no LocalServer, is the last
 * one to be closed.
 */
async function letsNobodyIn(one: string, absent: string): Promise<void> {
  const { ConnectionRefused } = Deno.errors;
  for (let open = true; open;) {
    await visitEnding(absent).catch((error) => {
      if (!(error instanceof ConnectionRefused)) throw error;
      open = false;
    });
  }
  await assertRejects(() => connectTo(one), ConnectionRefused);
}

Deno.test("a signal lets sessions finish and nobody new in, and the program exits with 0", async (t) => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const drain = ["--drain_timeout=60s"];
  const { program: server, ctlPort } = stack.use(await startServer(drain));
  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  stack.defer(() => Deno.remove(config));
  const absent = `127.0.0.1:${freePorts(1)[0]}`;
  await Deno.writeTextFile(
    config,
    `tunnels:\n  - { local_server: "${addressOf(listener)}" }\n  - { name: absent, local_server: "${absent}" }\n`,
  );
  const flags = [`--config=${config}`, ...drain];

  await t.step("SIGTERM, the client", async () => {
    const client = stack.use(startClient(ctlPort, flags));
    const [address, absent] = [await publicAddress(client), await publicAddress(client, "absent")];
    const ends = await session(address, listener);
    client.kill("SIGTERM");
    await soon("the public ports are closed", letsNobodyIn(address, absent));
    await finish(ends);
    assertEquals((await client.end()).code, 0);
    assertMatch(client.output, /Stopping[^]*cproxy-client has stopped$/);
  });

  const client = stack.use(startClient(ctlPort, flags));
  await t.step("SIGINT, the server", async () => {
    const [address, absent] = [await publicAddress(client), await publicAddress(client, "absent")];
    const ends = await session(address, listener);
    // a session that the server is just done with: its last bytes are in the buffers on the way to the client
    const [visitor, service] = await session(address, listener);
    const sent = writePayload(visitor, 3, 3 * LARGE).then(() => visitor.closeWrite());
    await service.closeWrite();
    const read: Uint8Array[] = [];
    const { sessionsEnded } = await countersOf(server);
    while ((await countersOf(server)).sessionsEnded === sessionsEnded) {
      read.push(await soon("bytes arrive", readExactly(service, 200_000)));
    }
    await sent;
    server.kill("SIGINT");
    await soon("the public ports are closed", letsNobodyIn(address, absent));
    await finish(ends);
    assertEquals((await server.end()).code, 0);
    assertMatch(server.output, /cproxy-server has stopped$/);
    const rest = await soon("what the server was done with arrives", readAll(service));
    assertEquals(await digest(ReadableStream.from([...read, ...rest])), {
      bytes: 3 * LARGE,
      sha256: payloadSha256(3, 3 * LARGE),
    });
    assert(rest.length > 0, "Nothing was on the way any more");
    visitor.close();
    service.close();
  });

  await t.step("SIGTERM, a client that has lost its server", async () => {
    await client.line(/Not connected to the server/);
    client.kill("SIGTERM");
    assertEquals((await client.end()).code, 0);
    assertMatch(client.output, /cproxy-client has stopped$/);
  });
});

Deno.test("sessions that do not finish are reset by drain_timeout or by a second signal", async (t) => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { program: server, ctlPort } = stack.use(await startServer(["--drain_timeout=60s"]));
  const local = `--local_server=${addressOf(listener)}`;
  const first = stack.use(startClient(ctlPort, [local, "--drain_timeout=300ms"]));
  const second = stack.use(startClient(ctlPort, [local, "--drain_timeout=300ms"]));

  await t.step("the client's drain_timeout", async () => {
    const ends = await session(await publicAddress(first), listener);
    first.kill("SIGTERM");
    await first.line(/Sessions are cut off at the end of drain_timeout/);
    assertEquals(await soon("both are reset", Promise.all(ends.map(endingOf))), ["reset", "reset"]);
    for (const conn of ends) conn.close();
    assertEquals((await first.end()).code, 0);
  });

  await t.step("a second signal to the server", async () => {
    const ends = await session(await publicAddress(second), listener);
    server.kill("SIGTERM");
    await server.line(/Stopping/);
    await writeAll(ends[0], new Uint8Array([3]));
    assertEquals(await soon("the session goes on", readExactly(ends[1], 1)), new Uint8Array([3]));
    server.kill("SIGINT");
    await server.line(/Second signal: stopping at once/);
    assertEquals(await soon("both are reset", Promise.all(ends.map(endingOf))), ["reset", "reset"]);
    for (const conn of ends) conn.close();
    assertEquals((await server.end()).code, 1);
  });
});

for (const when of ["at start", "later", "is missing"]) {
  Deno.test(`a Worker that dies (${when}) takes its program down with a message and status 1`, async () => {
    const script = new URL("./support/failing_program.ts", import.meta.url).pathname;
    const program = new Program("failing program", [Deno.execPath(), "run", "--allow-all", "--quiet", script, when]);
    const said = when === "is missing" ? /Module not found.*no_worker\.ts/ : /Worker has failed.*worker=failing/;
    await program.line(said);
    assertEquals((await program.end()).code, 1);
    if (when !== "is missing") assert(program.output.includes("Cannot epoll_wait: EINVAL while being tested"));
  });
}

Deno.test("a server that is stopped while it starts does not say that it is ready", async () => {
  // the warning is written before the Workers start
  const flags = ["--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0", "--token=${TOKEN}"];
  const server = new Program("server", [...FROM_SOURCE.server, ...flags]);
  await server.line(/looks like a variable/);
  server.kill("SIGTERM");
  await server.line(/has stopped/);
  await server.stop();
  assert(!server.output.includes("Server is ready"), server.output);
});
