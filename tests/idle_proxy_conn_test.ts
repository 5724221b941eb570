// ProxyConns that have been idle for long are asked before payload is trusted to them, and one that does not answer costs
// nobody a byte.

import { assertEquals, assertMatch } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readToEnd, soon, writePayload } from "./support/conns.ts";
import { countersOf } from "./support/inspection.ts";
import { payloadSha256 } from "./support/payload.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

/** Ms after which the server asks; see ASK_AFTER_MS. */
const IDLE_MS = 3200;

/** Answers every connection with its SHA-256 and some more, once its stream has ended; counts whole streams. */
function answerAll(listener: Deno.TcpListener): { served: () => number } {
  let served = 0;
  void (async () => {
    for (;;) {
      const service = await acceptFrom(listener);
      const answer = async () => {
        const { bytes } = await readToEnd(service);
        served++;
        await writePayload(service, bytes, 100_000);
        service.close();
      };
      // a session that the server gave up is reset
      answer().catch(() => service.close());
    }
  })().catch(() => {}); // the listener is closed at the end
  return { served: () => served };
}

/** A visitor that sends, ends its side, and gets its answer. */
async function visit(address: string, bytes: number): Promise<void> {
  const visitor = await connectTo(address);
  await writePayload(visitor, 1, bytes);
  await visitor.closeWrite();
  const received = await readToEnd(visitor);
  assertEquals(received, { bytes: 100_000, sha256: payloadSha256(bytes, 100_000) });
  visitor.close();
}

Deno.test("a visitor after a long pause loses no byte, whether its ProxyConn answers or not", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { served } = answerAll(listener);
  const { program: server, ctlPort } = stack.use(await startServer(["--drain_timeout=1s", "--log_level=debug"]));
  const flags = [`--local_server=${addressOf(listener)}`, "--drain_timeout=1s"];
  const awake = stack.use(startClient(ctlPort, flags));
  const asleep = stack.use(startClient(ctlPort, flags));
  const [near, far] = [await publicAddress(awake), await publicAddress(asleep)];
  await soon("both serve", Promise.all([visit(near, 1), visit(far, 1)]));

  // a client that is stopped keeps its connections and answers nothing, like one that a NAT has forgotten
  asleep.kill("SIGSTOP");
  await new Promise((resolve) => setTimeout(resolve, IDLE_MS));
  const opened = (await countersOf(server)).proxyConnsOpened;
  await soon("those who are asked answer", Promise.all([1, 50_000, 0, 2_000_000].map((bytes) => visit(near, bytes))));

  const visits = [0, 1, 1_000_000].map((bytes) => visit(far, bytes));
  const [line] = await server.line(/Data connection does not answer.*/);
  assertMatch(line, /taking another one/);
  asleep.kill("SIGCONT");
  await soon("who was not answered is served by another ProxyConn", Promise.all(visits));
  assertEquals(served(), 2 + 4 + 3, "Whole streams at the service");
  const { sessionsOpened, sessionsEnded, proxyConnsOpened } = await countersOf(server);
  assertEquals(sessionsEnded, sessionsOpened);
  assertEquals(proxyConnsOpened > opened, true);
});
