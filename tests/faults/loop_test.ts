// Tunnels whose LocalServer leads back to their own public port, directly or through others.

import { assert, assertEquals } from "../support/assert.ts";
import { connectTo, endingOf, listenLocally, readExactly, soon, visitEnding, writeAll } from "../support/conns.ts";
import { tcpSocketsOf } from "../support/inspection.ts";
import { Forwarder } from "../support/forwarder.ts";
import { freePorts } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

/** Ms within which a loop is found: 12 s, and more on a machine so busy that a round has to be repeated. */
const FOUND_MS = 90_000;
/** Descriptors that a loop may take, where it took all: 19,481 in 3 s. */
const MOST_DESCRIPTORS = 2000;
const WARNING = /leads back to this tunnel's own public port.* name=(\w+)/;

interface Tunnel {
  readonly name: string;
  readonly port: number;
  readonly local: number;
}

async function loopIsFound(tunnels: readonly Tunnel[], relays: number): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const flags = ["--drain_timeout=1s", `--work_thread_nums=${relays}`];
  const server = stack.use(await startServer(flags));
  const config = stack.adopt(await Deno.makeTempFile({ suffix: ".yaml" }), (path) => Deno.remove(path));
  const lines = tunnels.map(({ name, port, local }) =>
    `  - { name: ${name}, remote_port: ${port}, local_server: "127.0.0.1:${local}" }\n`
  );
  await Deno.writeTextFile(config, `tunnels:\n${lines.join("")}`);
  const client = stack.use(startClient(server.ctlPort, [`--config=${config}`, ...flags]));
  const address = await publicAddress(client, tunnels[0].name);
  for (const { name } of tunnels) await publicAddress(client, name);
  const found = client.line(WARNING, FOUND_MS);
  const visitor = await connectTo(address);
  found.catch(() => {}); // seen below
  let most = 0;
  const looking = setInterval(() => most = Math.max(most, tcpSocketsOf(client.pid)), 100);
  try {
    const [, name] = await found;
    assert(most < MOST_DESCRIPTORS, `The loop took ${most} descriptors`);
    assertEquals(await soon("another one is turned away", visitEnding(address), 5000), "reset");
    return name;
  } finally {
    clearInterval(looking);
    visitor.close();
  }
}

const CONCURRENT = { sanitizeOps: false, sanitizeResources: false, sanitizeExit: false };

Deno.test({
  name: "a tunnel that leads back to itself is found, ended and named",
  ...CONCURRENT,
  fn: async (t) => {
    const [alone, several, hidden, one, two] = freePorts(5);
    const step = (name: string, fn: () => Promise<void>) => t.step({ name, fn, ...CONCURRENT });
    const steps = [
      step("directly", async () => {
        assertEquals(await loopIsFound([{ name: "web", port: alone, local: alone }], 1), "web");
      }),
      step("with several relay Workers", async () => {
        assertEquals(await loopIsFound([{ name: "web", port: several, local: several }], 3), "web");
      }),
      step("by way of something that hides the addresses", async () => {
        await using forwarder = new Forwarder(hidden, "127.0.0.1", { passesResets: true });
        assertEquals(await loopIsFound([{ name: "web", port: hidden, local: forwarder.port }], 1), "web");
      }),
      step("by way of another tunnel", async () => {
        const found = await loopIsFound([{ name: "one", port: one, local: two }, {
          name: "two",
          port: two,
          local: one,
        }], 1);
        assert(["one", "two"].includes(found), found);
      }),
    ];
    assert((await Promise.all(steps)).every(Boolean), "Not every step has passed");
  },
});

Deno.test("many visitors of a LocalServer that says nothing are not taken for a loop", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startServer(["--drain_timeout=1s"]));
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const local = `--local_server=127.0.0.1:${listener.addr.port}`;
  const client = stack.use(startClient(server.ctlPort, [local, "--drain_timeout=1s"]));
  const address = await publicAddress(client);
  const conns: Deno.TcpConn[] = [];
  stack.defer(() => conns.forEach((conn) => conn.close()));
  for (let i = 0; i < 6; i++) {
    const visitors = await Promise.all(Array.from({ length: 20 }, () => connectTo(address)));
    conns.push(...visitors);
    for (const _ of visitors) conns.push(await soon("all have a session", listener.accept(), 10_000));
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
  const last = await connectTo(address);
  const service = await soon("another one is served", listener.accept());
  conns.push(last, service);
  await writeAll(service, Uint8Array.of(1));
  assertEquals(await soon("an answer arrives", readExactly(last, 1)), Uint8Array.of(1));
  assert(!WARNING.test(client.output), client.output);
});

Deno.test("visitors who wait for one another at a LocalServer that says nothing are not taken for a loop", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startServer(["--drain_timeout=1s"]));
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const local = `--local_server=127.0.0.1:${listener.addr.port}`;
  const client = stack.use(startClient(server.ctlPort, [local, "--drain_timeout=1s"]));
  const address = await publicAddress(client);
  const conns: Deno.TcpConn[] = [];
  stack.defer(() => conns.forEach((conn) => conn.close()));
  // the next one comes when the one before has a session; one of them may be turned away to find out
  let next = listener.accept();
  for (let served = 0; served < 50;) {
    const visitor = await connectTo(address);
    conns.push(visitor);
    const isAway = endingOf(visitor).then(() => null, () => null);
    const service = await soon("a session, or an end", Promise.race([next, isAway]), FOUND_MS);
    if (service === null) continue;
    conns.push(service);
    next = listener.accept();
    served++;
  }
  next.catch(() => {});
  assert(conns.length <= 101, `${conns.length - 100} visitors were turned away`);
  assert(!WARNING.test(client.output), client.output);
});
