// A server that is restarted with twenty clients: they come back by themselves, to their ports, and not all at once.

import { assert, assertEquals } from "../support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  soon,
  writeAll,
} from "../support/conns.ts";
import { freePorts } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

const CLIENTS = 20;
/** For so long the test itself listens in the server's place, and counts who comes. */
const ABSENCE_MS = 3500;
/** With attempts 1 to 2 s and then 2 to 4 s apart, a quarter of a second sees five on average. All at once would be 20. */
const WINDOW_MS = 250;
const MOST_IN_WINDOW = 15;

Deno.test("twenty clients come back to their restarted server, each to its port, and not all at once", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const [ctlPort, proxyPort] = freePorts(2);
  const serverFlags = [`--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`, "--drain_timeout=1s"];
  const first = await startServer(serverFlags);
  stack.defer(async () => void await first.program.stop());
  // one after the other would take long, and all at once more memory than needed
  const flags = [`--local_server=${addressOf(listener)}`, "--drain_timeout=1s"];
  const clients = Array.from({ length: CLIENTS }, () => startClient(ctlPort, flags));
  stack.defer(async () => void await Promise.all(clients.map((client) => client.stop())));
  const addresses = await Promise.all(clients.map((client) => publicAddress(client)));
  assertEquals(new Set(addresses).size, CLIENTS);

  const down = clients.map((client) => client.nextLine(/Not connected to the server/));
  first.program.kill("SIGKILL");
  await first.program.end();
  await Promise.all(down);
  const attempts: number[] = [];
  const stranger = Deno.listen({ hostname: "127.0.0.1", port: ctlPort });
  const accepting = (async () => {
    for await (const conn of stranger) {
      attempts.push(performance.now());
      conn.close();
    }
  })();
  await new Promise((resolve) => setTimeout(resolve, ABSENCE_MS));
  stranger.close();
  await accepting;
  assert(attempts.length >= CLIENTS && attempts.length < 4 * CLIENTS, `${attempts.length} attempts`);
  const inWindow = attempts.map((at) => attempts.filter((other) => at <= other && other < at + WINDOW_MS).length);
  assert(Math.max(...inWindow) <= MOST_IN_WINDOW, `${Math.max(...inWindow)} attempts in ${WINDOW_MS} ms`);

  const back = clients.map((client) => client.nextLine(/Tunnel is up .*public=([^ ]+)/, 40_000));
  stack.use(await startServer(serverFlags));
  assertEquals((await Promise.all(back)).map(([, address]) => address), addresses);
  for (const address of addresses) {
    const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
    await writeAll(visitor, new Uint8Array([7]));
    assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([7]));
    service.close();
    assertEquals(await soon("the end arrives", endingOf(visitor)), "end");
    visitor.close();
  }
});
