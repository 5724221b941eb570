// kill -9 of either program in mid-transfer: the other one notices, frees everything, and recovers when it is back.

import { assertEquals } from "./support/assert.ts";
import {
  addressOf,
  connectTo,
  listenLocally,
  readExactly,
  readToEnd,
  resetConn,
  soon,
  writeAll,
} from "./support/conns.ts";
import { holdingsAfterStart, holdingsOf, idleAgain } from "./support/holdings.ts";
import { freePorts, type Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

/** How a transfer that is cut off looks from one end: never as an end of the stream that nobody made. */
type Ending = "reset" | "end";

async function endingOfTransfer(conn: Deno.TcpConn): Promise<Ending> {
  const room = new Uint8Array(65_536);
  try {
    while (await conn.read(room) !== null);
    return "end";
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionReset) return "reset";
    throw error;
  }
}

/** Writes until that fails. */
async function writeForEver(conn: Deno.TcpConn): Promise<void> {
  const chunk = new Uint8Array(65_536);
  try {
    for (;;) await writeAll(conn, chunk);
  } catch {
    // the other end has gone
  }
}

/** Sessions in all the states that a kill may find. */
async function startTransfers(address: string, listener: Deno.TcpListener): Promise<() => Promise<Ending[]>> {
  const session = async () => {
    const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), listener.accept()]));
    await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
    await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
    return [visitor, service];
  };
  const up = await session(), down = await session(), idle = await session(), ended = await session();
  const writing = [writeForEver(up[0]), writeForEver(down[1])];
  const arriving = [readExactly(up[1], 1_000_000), readExactly(down[0], 1_000_000)];
  await soon("bytes arrive both ways", Promise.all(arriving));
  await ended[0].closeWrite();
  assertEquals((await soon("an end arrives", readToEnd(ended[1]))).bytes, 0);
  const endings = [up[1], down[0], idle[0], idle[1], ended[0]].map(endingOfTransfer);
  return async () => {
    const seen = await soon("all transfers are cut off", Promise.all(endings));
    for (const conn of [...up, ...down, ...idle, ...ended]) {
      try {
        conn.close();
      } catch {
        // it is gone
      }
    }
    await Promise.all(writing);
    return seen;
  };
}

/** One exchange, through a tunnel that may have come back a moment ago. */
async function works(address: string, listener: Deno.TcpListener): Promise<void> {
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), listener.accept()]));
  await writeAll(visitor, new Uint8Array([7]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([7]));
  resetConn(service);
  visitor.close();
}

async function killed(program: Program): Promise<void> {
  program.kill("SIGKILL");
  assertEquals((await program.stop()).signal, "SIGKILL");
}

const FIVE_RESETS = ["reset", "reset", "reset", "reset", "reset"] as const;

Deno.test("a client that is killed in mid-transfer is missed at once, and finds its port free when it is back", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { program: server, ctlPort } = stack.use(await startServer(["--drain_timeout=1s"]));
  const alone = await holdingsOf(server);
  const [port] = freePorts(1);
  const flags = [`--local_server=${addressOf(listener)}`, `--remote_port=${port}`, "--drain_timeout=1s"];
  const client = startClient(ctlPort, flags);
  const address = await publicAddress(client);
  const cutOff = await startTransfers(address, listener);

  const gone = server.nextLine(/Client has gone/);
  await killed(client);
  await gone;
  assertEquals(await cutOff(), [...FIVE_RESETS]);
  await idleAgain(server, alone);

  const again = stack.use(startClient(ctlPort, flags));
  assertEquals(await publicAddress(again), address);
  await works(address, listener);
});

Deno.test("a server that is killed in mid-transfer is missed at once, and gets its client back when it is back", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const serverPorts = freePorts(2);
  const serverFlags = [`--ctl_port=${serverPorts[0]}`, `--proxy_port=${serverPorts[1]}`, "--drain_timeout=1s"];
  const server = (await startServer(serverFlags)).program;
  const client = stack.use(
    startClient(serverPorts[0], [`--local_server=${addressOf(listener)}`, "--drain_timeout=1s"]),
  );
  const address = await publicAddress(client);
  const idle = await holdingsAfterStart(client);
  const cutOff = await startTransfers(address, listener);

  const gone = client.nextLine(/Not connected to the server/);
  await killed(server);
  await gone;
  assertEquals(await cutOff(), [...FIVE_RESETS]);

  const back = client.nextLine(/Tunnel is up .*public=([^ ]+)/, 20_000);
  stack.use(await startServer(serverFlags));
  assertEquals((await back)[1], address);
  await works(address, listener);
  await idleAgain(client, idle);
});
