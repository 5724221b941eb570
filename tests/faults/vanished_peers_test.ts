// Peers that vanish without a FIN while a session is idle, in network namespaces: the kernel's keepalive finds them. The
// programs ask after 30 s, which the test looks at and then shortens.

import { assert, assertEquals } from "../support/assert.ts";
import { acceptFrom, addressOf, connectTo, endingOf, readExactly, soon, writeAll } from "../support/conns.ts";
import { connectionsOf, type ForeignSocket, ignoreWithoutForeignSockets } from "../support/foreign_sockets.ts";
import { holdingsAfterStart, idleAgain } from "../support/holdings.ts";
import { until } from "../support/inspection.ts";
import { ignoreWithoutNetworks, Network } from "../support/network.ts";
import type { Program } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

const KEEPALIVE = { on: true, idle: 30, interval: 10, count: 3 };

type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

async function exchange([visitor, service]: Ends): Promise<void> {
  await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
  await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
}

/** Calls `body` with the connections of a program, and closes the test's copies of them. */
function withConnections<T>(program: Program, body: (sockets: readonly ForeignSocket[]) => T): T {
  const sockets = connectionsOf(program.pid);
  try {
    return body(sockets);
  } finally {
    for (const socket of sockets) socket[Symbol.dispose]();
  }
}

const portOf = (address: string) => Number(address.split(":").pop());

Deno.test({
  name: "a peer that vanishes from an idle session is found by keepalive, at each of the three connections",
  ignore: ignoreWithoutNetworks() || ignoreWithoutForeignSockets(),
  async fn(t) {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.make());
    const host = network.serverHost;
    const token = { CPROXY_TOKEN: crypto.randomUUID() };
    const server = stack.use(await network.server.inside(() => startServer([`--bind=${host}`], token)));
    // far from the client's host, as a LocalServer may be
    const listener = network.server.inside(() => Deno.listen({ hostname: host, port: 0 }));
    stack.defer(() => listener.close());
    const client = stack.use(
      network.client.inside(() =>
        startClient(0, [`--cproxy_server=${host}:${server.ctlPort}`, `--local_server=${addressOf(listener)}`], token)
      ),
    );
    const address = await publicAddress(client);
    const programs = [server.program, client];
    const idle = [await holdingsAfterStart(server.program), await holdingsAfterStart(client)];
    const session = async (): Promise<Ends> => {
      const ends: Ends = await soon(
        "a session starts",
        Promise.all([network.client.inside(() => connectTo(address)), acceptFrom(listener)]),
      );
      await exchange(ends);
      // keepalive asks only where nothing is under way, and an acknowledgement may be put off for a moment
      for (const program of programs) {
        const left = () => withConnections(program, (sockets) => sockets.map(({ unacknowledged }) => unacknowledged));
        await until("everything is acknowledged", () => left().every((bytes) => bytes === 0), Boolean);
      }
      return ends;
    };
    const nothingIsLeft = async () => {
      for (const [i, program] of programs.entries()) await idleAgain(program, idle[i]);
    };

    await t.step("all that has no heartbeat has keepalive", async () => {
      const ends = await session();
      for (const program of programs) {
        const asked = withConnections(program, (sockets) =>
          // the ctl_conn has heartbeats instead
          sockets.filter(({ local, peer }) => ![local, peer].some((end) => portOf(end) === server.ctlPort))
            .map(({ keepalive }) => keepalive));
        assert(asked.length >= 3, "an endpoint, a ProxyConn and a notice connection at least");
        for (const keepalive of asked) assertEquals(keepalive, KEEPALIVE);
        // it would end connections whose peers do not read, too
        const limits = withConnections(program, (sockets) => sockets.map(({ userTimeout }) => userTimeout));
        assertEquals(new Set(limits), new Set([0]));
      }
      for (const end of ends) end.close();
      await nothingIsLeft();
    });

    /** Makes the connections of a program that `which` chooses vanish; their ends are found by keepalive alone. */
    const vanish = async (program: Program, which: (socket: ForeignSocket) => boolean, side: "local" | "peer") => {
      const ports = withConnections(program, (sockets) => {
        const chosen = sockets.filter(which);
        assertEquals(chosen.length, 1);
        for (const socket of chosen) socket.hurry();
        return chosen.map((socket) => portOf(socket[side]));
      });
      await network.lose(ports);
    };

    await t.step("a PublicClient", async () => {
      const [visitor, service] = await session();
      await vanish(server.program, ({ local }) => local === address, "peer");
      assertEquals(await soon("the service is reset", endingOf(service)), "reset");
      await nothingIsLeft();
      await network.mend();
      for (const end of [visitor, service]) end.close();
    });

    await t.step("a LocalServer", async () => {
      const [visitor, service] = await session();
      await vanish(client, ({ peer }) => peer === addressOf(listener), "local");
      assertEquals(await soon("the visitor is reset", endingOf(visitor)), "reset");
      await nothingIsLeft();
      await network.mend();
      for (const end of [visitor, service]) end.close();
    });

    await t.step("a ProxyConn between the programs", async () => {
      const [visitor, service] = await session();
      const carrying = withConnections(
        client,
        (sockets) => sockets.filter(({ peer }) => peer === `${host}:${server.proxyPort}`).map(({ local }) => local),
      );
      for (const program of programs) {
        withConnections(program, (sockets) => {
          for (const socket of sockets) {
            if (carrying.includes(socket.local) || carrying.includes(socket.peer)) socket.hurry();
          }
        });
      }
      await network.lose(carrying.map(portOf));
      const endings = Promise.all([visitor, service].map(endingOf));
      assertEquals(await soon("both ends are reset", endings), ["reset", "reset"]);
      await network.mend();
      for (const end of [visitor, service]) end.close();
      for (const end of await session()) end.close();
    });
  },
});
