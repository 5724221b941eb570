// What both programs say when the proxy_port cannot be reached, so that nobody is served.

import { connectTo, listenLocally, resetConn } from "../support/conns.ts";
import { Forwarder } from "../support/forwarder.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

const FLAGS = ["--drain_timeout=1s"];

Deno.test("a proxy_port that cannot be reached is named by the client, and visitors given up by the server", async () => {
  await using stack = new AsyncDisposableStack();
  const host = "127.0.0.2";
  const server = stack.use(await startServer([`--bind=${host}`, ...FLAGS]));
  const forwarder = stack.use(new Forwarder(server.ctlPort, host));
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const client = stack.use(startClient(forwarder.port, [`--local_server=127.0.0.1:${listener.addr.port}`, ...FLAGS]));
  const address = await publicAddress(client);
  const visitor = connectTo(address);
  const what = "cannot be reached; is it open in the firewall\\? Nobody is served";
  await client.line(
    new RegExp(`127.0.0.1:${server.proxyPort} \\(proxy_port\\) ${what} reason="connection refused"`),
    15_000,
  );
  await server.program.line(/A visitor is given up: .*proxy_port.* client=1 public=127.0.0.2:\d+/, 25_000);
  resetConn(await visitor);
});
