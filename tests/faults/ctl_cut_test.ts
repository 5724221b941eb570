// The ctl_conn alone is cut, again and again, while transfers run: by a reset in between, and by the kernel of either side.

import { assert, assertEquals } from "../support/assert.ts";
import { connectTo, listenLocally, readToEnd, soon, writeAll } from "../support/conns.ts";
import {
  type Ends,
  heldAfterStart,
  heldAgain,
  session,
  startFarPair,
  TUNNELS,
  type TwoTunnels,
  twoTunnelsConfig,
} from "../support/far_pair.ts";
import { Forwarder } from "../support/forwarder.ts";
import { ignoreWithoutNetworks } from "../support/network.ts";
import { payload, payloadSha256 } from "../support/payload.ts";
import { freePorts } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";
import { ignoreWithout } from "../support/tools.ts";

/** Steps that run at the same time: most of their time they wait. */
const CONCURRENT = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };
const ROUNDS = 3;
const BYTES = 6_000_000;

/** Sends a payload and its end, the second half of it after `gate`. */
async function sendInHalves(conn: Deno.TcpConn, seed: number, gate: Promise<unknown>): Promise<void> {
  let sent = 0;
  for await (const chunk of payload(seed, BYTES)) {
    if (sent >= BYTES / 2) await gate;
    await writeAll(conn, chunk);
    sent += chunk.length;
  }
  await conn.closeWrite();
}

/** A transfer both ways that is at its half until `gate`; it fails unless every byte arrives. */
async function transfer([visitor, service]: Ends, seed: number, gate: Promise<unknown>): Promise<void> {
  const expected = [seed, seed + 1].map((seed) => ({ bytes: BYTES, sha256: payloadSha256(seed, BYTES) }));
  const [there, back] = await Promise.all([
    readToEnd(service),
    readToEnd(visitor),
    sendInHalves(visitor, seed, gate),
    sendInHalves(service, seed + 1, gate),
  ]);
  assertEquals([there, back], expected);
  for (const conn of [visitor, service]) conn.close();
}

/** Cuts the ctl_conn while there are transfers through both tunnels: some end before it is there again, and some after. */
async function survivesCuts(pair: TwoTunnels, cut: () => Promise<unknown>): Promise<void> {
  const { server, client, addresses } = pair;
  const before = await heldAfterStart(pair);
  for (let round = 0; round < ROUNDS; round++) {
    const [down, up] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const transfers: Promise<void>[] = [];
    for (const [i, gate] of [down, down, up, up].entries()) {
      transfers.push(transfer(await session(pair, addresses[i % 2]), 10 * round + 2 * i, gate.promise));
    }
    const noticed = [server.nextLine(/Client has gone/), client.nextLine(/Not connected to the server/)];
    const again = TUNNELS.map((name, i) => {
      const port = addresses[i].replace(/.*:/, "");
      return client.nextLine(new RegExp(`Tunnel is up .*name=${name} .*public=\\S*:${port} `));
    });
    await cut();
    await soon("both notice", Promise.all(noticed));
    down.resolve();
    await Promise.all(again);
    up.resolve();
    await soon("the transfers end", Promise.all(transfers));
    for (const address of addresses) {
      for (const conn of await soon("a new session", session(pair, address))) conn.close();
    }
  }
  await heldAgain(before);
}

/** Cut by a reset in between. */
async function cutBetween(): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { program: server, ctlPort } = stack.use(await startServer(["--drain_timeout=1s"]));
  const forwarder = stack.use(new Forwarder(ctlPort));
  const config = await twoTunnelsConfig(listener, freePorts(1)[0]);
  stack.defer(() => Deno.remove(config));
  const client = stack.use(startClient(forwarder.port, [`--config=${config}`, "--drain_timeout=1s"]));
  const addresses = await Promise.all(TUNNELS.map((name) => publicAddress(client, name)));
  const pair = { server, client, listener, addresses, connect: connectTo };
  await survivesCuts(pair, () => Promise.resolve(forwarder.cut()));
}

/** Cut by the kernel of one side, as an administrator tells it to. */
async function cutBy(side: "client" | "server"): Promise<void> {
  await using pair = await startFarPair();
  const port = side === "client" ? `dport = :${pair.ctlPort}` : `sport = :${pair.ctlPort}`;
  const kill = ["--kill", "--no-header", "--tcp", "state", "established", port];
  await survivesCuts(pair, async () => {
    const killed = await pair.network[side].tool("ss", kill);
    assertEquals(killed.trim().split("\n").length, 1, killed);
  });
}

Deno.test({
  name: "a ctl_conn that is cut costs no transfer a byte, and no tunnel its port",
  ...CONCURRENT,
  fn: async (t) => {
    const ignore = ignoreWithoutNetworks() || ignoreWithout("ss");
    const ended = [
      t.step({ name: "reset in between", fn: cutBetween, ...CONCURRENT }),
      t.step({ name: "ended by the client's kernel", fn: () => cutBy("client"), ignore, ...CONCURRENT }),
      t.step({ name: "ended by the server's kernel", fn: () => cutBy("server"), ignore, ...CONCURRENT }),
    ];
    assert((await Promise.all(ended)).every((passed) => passed || ignore), "Not every step has passed");
  },
});
