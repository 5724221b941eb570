// What the logs say of a LocalServer that is not there, and how to find all that they say of one connection.

import { assertEquals, assertMatch } from "./support/assert.ts";
import { connectTo, listenLocally, soon, visitEnding } from "./support/conns.ts";
import { freePorts } from "./support/program.ts";
import { startPair } from "./support/starts.ts";

Deno.test("a local service that is not there is named once a minute, with the reason in words", async () => {
  const [absent] = freePorts(1);
  await using pair = await startPair(`127.0.0.1:${absent}`);
  for (let i = 0; i < 20; i++) assertEquals(await soon("a visitor is reset", visitEnding(pair.address)), "reset");
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
