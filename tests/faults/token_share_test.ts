// What the clients of one token can make the server hold, and that those of another one are served beside it.

import { tunnelNo } from "../support/ids.ts";
import { assert, assertEquals, assertMatch, assertRejects } from "../support/assert.ts";
import { connectTo, endingOf, readExactly, resetConn, soon, writeAll } from "../support/conns.ts";
import { withDescriptors } from "../support/constrained.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { descriptorsOf } from "../support/inspection.ts";
import { newTunnelReq } from "../support/messages.ts";
import { RelaySpeaker } from "../support/relay_speaker.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

const ALICE = "the token of Alice";
const BOB = "the token of Bob";
const LIMIT = 10;

/** A server with the tokens of Alice, with some rules, and of Bob; `await using` ends it. */
async function serverOf(stack: AsyncDisposableStack, aliceMay: string, launcher: readonly string[] = []) {
  const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(
    `${folder}/server.yaml`,
    `tokens:\n- {name: alice, token: ${ALICE}${aliceMay}}\n- {name: bob, token: ${BOB}}\n`,
    { mode: 0o600 },
  );
  return stack.use(await startServer([`--config=${folder}/server.yaml`, "--drain_timeout=0s"], {}, launcher));
}

Deno.test("a client that ends its sessions and never frees its ProxyConns holds no more than its token may", async () => {
  await using stack = new AsyncDisposableStack();
  const { program, ctlPort } = await serverOf(stack, `, max_connections: ${LIMIT}`);
  const client = stack.use(
    await RelaySpeaker.logIn(
      ctlPort,
      ALICE,
      (client, proxy, session) => client.tell({ type: "NotifyProxyShutdownPeerConn", proxy, session, total: 0 }),
    ),
  );
  const address = `127.0.0.1:${await client.open(1)}`;
  const before = descriptorsOf(program.pid).socket ?? 0;
  // half as many at once as there may be: the one before may not be counted out when its visitor sees the end
  for (let visits = 0; visits < 200; visits += LIMIT / 2) {
    await Promise.all(Array.from({ length: LIMIT / 2 }, async () => {
      const visitor = await connectTo(address);
      await visitor.closeWrite();
      assertEquals(await soon("the session ends", endingOf(visitor)), "end");
      visitor.close();
    }));
  }
  // a visitor and its ProxyConn count, as many ProxyConns again that are not free yet, and those that are kept ready
  const held = (descriptorsOf(program.pid).socket ?? 0) - before;
  assert(held <= 3 * LIMIT, `${client.brought} ProxyConns were brought, and the server holds ${held} sockets more`);
});

/** What the server holds more of than before `visit` was done often, as many at once as cannot be too many visitors. */
async function heldAfter(pid: number, visits: number, visit: () => Promise<void>): Promise<number> {
  const before = descriptorsOf(pid).socket ?? 0;
  let most = 0;
  for (let done = 0; done < visits; done += LIMIT / 2) {
    await Promise.all(Array.from({ length: LIMIT / 2 }, visit));
    most = Math.max(most, (descriptorsOf(pid).socket ?? 0) - before);
  }
  return most;
}

Deno.test("what a client leaves unread behind the ends of its sessions counts for its token", async () => {
  await using stack = new AsyncDisposableStack();
  const { program, ctlPort } = await serverOf(stack, `, max_connections: ${LIMIT}`);
  const atEnd = Promise.withResolvers<void>();
  const client = stack.use(
    await RelaySpeaker.logIn(ctlPort, ALICE, async (client, proxy, session) => {
      await client.tell({ type: "NotifyProxyShutdownPeerConn", proxy, session, total: 0 });
      // it reads no more
      await atEnd.promise;
    }),
  );
  const address = `127.0.0.1:${await client.open(1)}`;
  // more than the client's kernel takes unread, and less than the server's kernel keeps for it
  const upload = new Uint8Array(1 << 19);
  const held = await heldAfter(program.pid, 200, async () => {
    const visitor = await connectTo(address);
    await writeAll(visitor, upload).then(() => visitor.closeWrite()).catch(() => {});
    await soon("the session ends", endingOf(visitor));
    visitor.close();
  });
  atEnd.resolve();
  assert(held <= 3 * LIMIT, `${client.brought} ProxyConns were brought, and the server holds ${held} sockets more`);
});

Deno.test("sessions whose visitor has reset, and that their client never settles, count for its token", async () => {
  await using stack = new AsyncDisposableStack();
  const { program, ctlPort } = await serverOf(stack, `, max_connections: ${LIMIT}`);
  const atEnd = Promise.withResolvers<void>();
  const client = stack.use(
    await RelaySpeaker.logIn(ctlPort, ALICE, async (_client, _proxy, _session, conn) => {
      await greet(conn);
      await atEnd.promise;
    }),
  );
  const address = `127.0.0.1:${await client.open(1)}`;
  const held = await heldAfter(program.pid, 200, async () => {
    const visitor = await connectTo(address);
    await readExactly(visitor, 1).catch(() => {});
    resetConn(visitor);
  });
  atEnd.resolve();
  assert(held <= 3 * LIMIT, `${client.brought} ProxyConns were brought, and the server holds ${held} sockets more`);
});

/** The server may have so many descriptors in the test below, of which it needs some for itself. */
const DESCRIPTORS = 400;

Deno.test("a token that takes all it can get leaves another one clients, ports and visitors that are served", async () => {
  await using stack = new AsyncDisposableStack();
  const launcher = withDescriptors(DESCRIPTORS, []);
  const { program, ctlPort } = await serverOf(stack, "", launcher);
  const alice = stack.use(await RelaySpeaker.logIn(ctlPort, ALICE, () => {}));
  const hers = await alice.open(1);
  const hold = <C extends { close(): void }>(held: C) => stack.adopt(held, (held) => held.close());
  let clients = 0;
  for (let refused = false; !refused && clients < DESCRIPTORS; clients++) {
    const more = hold(await CtlSpeaker.connect(ctlPort));
    refused = await more.logIn(undefined, ALICE).then(() => false, (error) => {
      assertMatch(
        error.message,
        /Token "alice" (has its share of the server's descriptors|has reached its max_clients)/,
      );
      return true;
    });
  }
  // visitors who stay, of whom some wait in the kernel's queue
  const visitors = Array.from({ length: DESCRIPTORS }, () => connectTo(`127.0.0.1:${hers}`));
  for (const visitor of await Promise.all(visitors)) hold(visitor);
  await program.line(/Cannot accept on a public port; visitors wait .*share of the descriptors/);
  const ports = async () => {
    for (let tunnel = 2; tunnel < DESCRIPTORS; tunnel++) await alice.open(tunnel);
  };
  await assertRejects(ports, Error, "The tunnel is refused");
  const bob = stack.use(await RelaySpeaker.logIn(ctlPort, BOB, (_client, _proxy, _session, conn) => void greet(conn)));
  const his = await bob.open(1);
  const begun = performance.now();
  await Promise.all(Array.from({ length: 20 }, async () => {
    const visitor = hold(await connectTo(`127.0.0.1:${his}`));
    assertEquals(await soon("Bob's visitor is served", readExactly(visitor, 1)), new Uint8Array([7]));
  }));
  console.log(
    `Bob's 20 visitors were served in ${Math.round(performance.now() - begun)} ms, beside ${clients} clients`,
  );
});

async function greet(conn: Deno.TcpConn): Promise<void> {
  await writeAll(conn, new Uint8Array([7]));
}

Deno.test("max_connections_per_tunnel holds for a tunnel that is closed and opened under another name", async () => {
  await using stack = new AsyncDisposableStack();
  const { ctlPort } = await serverOf(stack, ", max_tunnels: 1, max_connections_per_tunnel: 5");
  const greeted = (_client: RelaySpeaker, _proxy: unknown, _session: unknown, conn: Deno.TcpConn) => greet(conn);
  const client = stack.use(await RelaySpeaker.logIn(ctlPort, ALICE, greeted));
  let served = 0;
  let port = 0;
  for (let round = 0; round < 6; round++) {
    // by turns under another name on the same port, and on any port
    port = await client.open(1, `name ${round}`, round % 2 === 1 ? port : 0);
    await Promise.all(Array.from({ length: 10 }, async () => {
      const visitor = await connectTo(`127.0.0.1:${port}`).catch(() => null);
      if (visitor === null) return;
      stack.adopt(visitor, (visitor) => visitor.close());
      if (await readExactly(visitor, 1).then(() => true, () => false)) served++;
    }));
    await client.ctl.send({ type: "CloseTunnel", tunnel: tunnelNo(1), reason: "again" });
  }
  assertEquals(served, 5);
});

Deno.test("a client beyond max_clients is told so, and is in as soon as another one has gone", async () => {
  await using stack = new AsyncDisposableStack();
  const { ctlPort } = await serverOf(stack, ", max_clients: 1");
  const flags = ["--local_server=127.0.0.1:9"];
  await using first = startClient(ctlPort, flags, { CPROXY_TOKEN: ALICE });
  await publicAddress(first);
  await using second = startClient(ctlPort, flags, { CPROXY_TOKEN: ALICE });
  await second.line(/Token \\"alice\\" has reached its max_clients \(1\)/);
  first.kill("SIGKILL");
  await publicAddress(second);
});

Deno.test("a client that is told why it goes keeps its place until its connection is closed", async () => {
  await using stack = new AsyncDisposableStack();
  const { ctlPort } = await serverOf(stack, ", max_clients: 1");
  const first = stack.use(await CtlSpeaker.connect(ctlPort));
  await first.logIn(undefined, ALICE);
  // a number that is there already
  await first.send(newTunnelReq(1, "mine", 0), newTunnelReq(1, "mine", 0));
  await first.next("CloseCtl");
  const second = stack.use(await CtlSpeaker.connect(ctlPort));
  await assertRejects(() => second.logIn(undefined, ALICE), Error, "has reached its max_clients (1)");
  first.close();
  const deadline = performance.now() + 5000;
  for (let isIn = false; !isIn;) {
    assert(performance.now() < deadline, "the place is free again");
    const next = stack.use(await CtlSpeaker.connect(ctlPort));
    isIn = await next.logIn(undefined, ALICE).then(() => true, () => false);
  }
});
