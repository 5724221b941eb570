// What the clients of one token can make the server hold, and that those of another one are served beside it.

import { assert, assertEquals } from "../support/assert.ts";
import { connectTo, endingOf, soon } from "../support/conns.ts";
import { descriptorsOf } from "../support/inspection.ts";
import { RelaySpeaker } from "../support/relay_speaker.ts";
import { startServer } from "../support/starts.ts";

const ALICE = "the token of Alice";
const BOB = "the token of Bob";
const LIMIT = 10;

/** A server with the tokens of Alice, with some rules, and of Bob; `await using` ends it. */
async function serverOf(stack: AsyncDisposableStack, aliceMay: string) {
  const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  await Deno.writeTextFile(
    `${folder}/server.yaml`,
    `tokens:\n- {name: alice, token: ${ALICE}, ${aliceMay}}\n- {name: bob, token: ${BOB}}\n`,
    { mode: 0o600 },
  );
  return stack.use(await startServer([`--config=${folder}/server.yaml`, "--drain_timeout=0s"]));
}

Deno.test("a client that ends its sessions and never frees its ProxyConns holds no more than its token may", async () => {
  await using stack = new AsyncDisposableStack();
  const { program, ctlPort } = await serverOf(stack, `max_connections: ${LIMIT}`);
  const client = stack.use(
    await RelaySpeaker.logIn(
      ctlPort,
      ALICE,
      ({ ctl }, proxy, session) => ctl.send({ type: "NotifyProxyShutdownPeerConn", proxy, session, total: 0 }),
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
