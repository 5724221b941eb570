// What the logs say of a LocalServer that is not there, and how to find all that they say of one connection.

import { assertEquals, assertMatch } from "./support/assert.ts";
import { connectTo, listenLocally, soon, visitEnding } from "./support/conns.ts";
import { freePorts } from "./support/program.ts";
import { startClient, startPair, startServer } from "./support/starts.ts";

Deno.test("a local service that is not there is named once a minute, with the reason in words", async () => {
  const [absent] = freePorts(1);
  await using pair = await startPair(`127.0.0.1:${absent}`, { client: ["--work_thread_nums=4"] });
  // at once, so that every relay Worker has some of them
  const visits = Array.from({ length: 60 }, () => visitEnding(pair.address));
  for (const ending of await soon("the visitors are reset", Promise.all(visits))) assertEquals(ending, "reset");
  const line = new RegExp(
    `WARN.* Local service cannot be reached name=default local=127.0.0.1:${absent} reason="connection refused"`,
  );
  await pair.client.line(line);
  assertEquals(pair.client.output.match(/cannot be reached/g)!.length, 1);
});

Deno.test("at debug, all lines of one connection share a key, and name tunnel and visitor", async () => {
  const listener = listenLocally();
  const debug = ["--log_level=debug"];
  const local = `127.0.0.1:${listener.addr.port}`;
  await using pair = await startPair(local, { client: debug, server: debug });
  const [visitor, service] = await soon("a session", Promise.all([connectTo(pair.address), listener.accept()]));
  const from = `127.0.0.1:${(visitor.localAddr as Deno.NetAddr).port}`;
  const [, key] = await pair.server.line(
    new RegExp(`Session begins connection=(\\S+) client=1 public=${pair.address} visitor=${from}`),
  );
  await pair.client.line(new RegExp(`Session begins connection=${key} name=default detail="connecting to ${local}"`));
  service.close();
  visitor.close();
  listener.close();
  assertMatch(key, /^\d+-1$/);
  await pair.client.line(new RegExp(`Session has ended connection=${key} name=default `));
  await pair.server.line(new RegExp(`Session has ended connection=${key} .*visitor=${from}`));
});

Deno.test("a client says that somebody else takes its data connections", async () => {
  const local = "--local_server=127.0.0.1:1";
  await using server = await startServer();
  // one of them says nothing at all, as a service does that waits for a request
  using silent = listenLocally();
  const said = async (proxyServer: number, reason: string) => {
    await using client = startClient(server.ctlPort, [local, `--proxy_server=127.0.0.1:${proxyServer}`]);
    const what = "takes data connections that the server never gets. Nobody is served";
    const line = `WARN.* 127.0.0.1:${proxyServer} \\(proxy_port\\) ${what} reason="${reason}"`;
    await client.line(new RegExp(line), 40_000);
  };
  // the server gives such a connection up after 10 s
  await Promise.all([
    said(silent.addr.port, "nothing comes back"),
    said(server.ctlPort, "(closed by the peer|A frame of \\d+ bytes .*|connection reset)"),
  ]);
  await server.program.line(/Login has failed .*reason="A data connection, which is for the proxy_port"/);
});
