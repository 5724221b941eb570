// Tunnels whose LocalServer leads back to their own public port, directly or through others.

import { assert, assertEquals } from "../support/assert.ts";
import { addressOf, connectTo, listenLocally, readExactly, soon, visitEnding, writeAll } from "../support/conns.ts";
import { FAR_ENV, nearAddress } from "../support/far_pair.ts";
import { countersOf, tcpSocketsOf } from "../support/inspection.ts";
import { ignoreWithoutNetworks, Network, SERVER_HOST } from "../support/network.ts";
import { freePorts, type Program } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";

/** Ms within which the visitor sees its end. */
const END_MS = 1000;
/** Descriptors that a loop may take, where it took all: 19,481 in 3 s. */
const MOST_DESCRIPTORS = 40;
/** Sessions that a visit may make. */
const MOST_SESSIONS = 9;
const WARNING = /leads back to this tunnel's own public port.* name=(\w+)/;
/** Public ports are there, and the client knows the server by another address. */
const ELSEWHERE = "127.0.0.2";
const DRAIN = "--drain_timeout=1s";

interface Tunnel {
  readonly name: string;
  readonly port: number;
  readonly local: string;
}

/** Writes a client's file; its path. */
async function configOf(tunnels: readonly Tunnel[]): Promise<string> {
  const path = await Deno.makeTempFile({ suffix: ".yaml" });
  const lines = tunnels.map(({ name, port, local }) =>
    `  - { name: ${name}, remote_port: ${port}, local_server: "${local}" }\n`
  );
  await Deno.writeTextFile(path, `tunnels:\n${lines.join("")}`);
  return path;
}

/** One visit is reset at once, has made few sessions, and a line names the tunnel, which is returned. */
async function loopIsEnded(client: Program, visit: () => Promise<"end" | "reset">): Promise<string> {
  const before = tcpSocketsOf(client.pid);
  let most = before;
  const looking = setInterval(() => most = Math.max(most, tcpSocketsOf(client.pid)), 5);
  try {
    assertEquals(await soon("the visitor sees an end", visit(), END_MS), "reset");
  } finally {
    clearInterval(looking);
  }
  // what has been connected to the server stays for a time
  most = Math.max(most, tcpSocketsOf(client.pid));
  assert(most - before < MOST_DESCRIPTORS, `The loop took ${most - before} descriptors`);
  const { sessionsOpened: sessions } = await countersOf(client);
  assert(sessions <= MOST_SESSIONS, `One visit made ${sessions} sessions`);
  const [, name] = await client.line(WARNING);
  assertEquals(client.output.match(new RegExp(WARNING, "g"))?.length, 1, client.output);
  return name;
}

/** The same with both programs on this host. */
async function loopIsEndedHere(tunnels: readonly Tunnel[], relays: number, publicBind: string): Promise<string> {
  await using stack = new AsyncDisposableStack();
  const flags = [DRAIN, `--work_thread_nums=${relays}`];
  const server = stack.use(await startServer([...flags, `--public_bind=${publicBind}`]));
  const config = stack.adopt(await configOf(tunnels), (path) => Deno.remove(path));
  const client = stack.use(startClient(server.ctlPort, [`--config=${config}`, ...flags]));
  const addresses = await Promise.all(tunnels.map(({ name }) => publicAddress(client, name)));
  return await loopIsEnded(client, () => visitEnding(addresses[0]));
}

const [port, other] = freePorts(2);
for (const relays of [1, 3]) {
  for (const host of ["127.0.0.1", "localhost", ELSEWHERE]) {
    Deno.test(`a tunnel that leads back to itself by ${host} is ended and named, with ${relays} relay Workers`, async () => {
      const bind = host === ELSEWHERE ? host : "127.0.0.1";
      assertEquals(await loopIsEndedHere([{ name: "web", port, local: `${host}:${port}` }], relays, bind), "web");
    });
  }
  for (const host of ["127.0.0.1", ELSEWHERE]) {
    Deno.test(`a ring of two tunnels by ${host} is ended and named, with ${relays} relay Workers`, async () => {
      const ring = [{ name: "one", port, local: `${host}:${other}` }, {
        name: "two",
        port: other,
        local: `${host}:${port}`,
      }];
      const name = await loopIsEndedHere(ring, relays, host);
      assert(["one", "two"].includes(name), name);
    });
  }
}

Deno.test({
  name: "a tunnel that leads back to itself through a NAT is ended and named",
  ignore: ignoreWithoutNetworks(),
  async fn() {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.make());
    await network.router.tool("nft", [
      "add table ip nat; add chain ip nat out { type nat hook postrouting priority 100; }; add rule ip nat out masquerade",
    ]);
    const server = stack.use(await network.server.inside(() => startServer(["--bind=0.0.0.0", DRAIN], FAR_ENV)));
    const web = { name: "web", port, local: `${SERVER_HOST}:${port}` };
    const config = stack.adopt(await configOf([web]), (path) => Deno.remove(path));
    const flags = [`--config=${config}`, `--cproxy_server=${SERVER_HOST}:${server.ctlPort}`, DRAIN];
    const client = stack.use(network.client.inside(() => startClient(server.ctlPort, flags, FAR_ENV)));
    const address = await nearAddress(client, "web");
    assertEquals(await loopIsEnded(client, () => network.server.inside(() => visitEnding(address))), "web");
  },
});

for (const relays of [1, 3]) {
  Deno.test({
    name: `a tunnel that leads back to itself by another address of the host is ended, with ${relays} relay Workers`,
    ignore: ignoreWithoutNetworks(),
    async fn() {
      await using stack = new AsyncDisposableStack();
      const network = stack.use(await Network.make());
      const { server: host } = network;
      const threads = `--work_thread_nums=${relays}`;
      const server = stack.use(await host.inside(() => startServer(["--bind=0.0.0.0", DRAIN, threads], FAR_ENV)));
      const web = { name: "web", port, local: `${SERVER_HOST}:${port}` };
      const config = stack.adopt(await configOf([web]), (path) => Deno.remove(path));
      const flags = [`--config=${config}`, `--cproxy_server=127.0.0.1:${server.ctlPort}`, DRAIN, threads];
      const client = stack.use(host.inside(() => startClient(server.ctlPort, flags, FAR_ENV)));
      await client.line(/Tunnel is up/);
      const visit = () => host.inside(() => visitEnding(`127.0.0.1:${port}`));
      assertEquals(await loopIsEnded(client, visit), "web");
    },
  });
}

Deno.test("a tunnel to the public port of another one of the same client works", async () => {
  await using stack = new AsyncDisposableStack();
  const server = stack.use(await startServer([DRAIN]));
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const config = stack.adopt(
    await configOf([
      { name: "front", port, local: `127.0.0.1:${other}` },
      { name: "back", port: other, local: addressOf(listener) },
    ]),
    (path) => Deno.remove(path),
  );
  const client = stack.use(startClient(server.ctlPort, [`--config=${config}`, DRAIN]));
  const [address] = await Promise.all([publicAddress(client, "front"), publicAddress(client, "back")]);
  for (let i = 0; i < 20; i++) {
    const visitor = await connectTo(address);
    const service = await soon("the service is reached", listener.accept());
    await writeAll(service, Uint8Array.of(i));
    assertEquals(await soon("an answer arrives", readExactly(visitor, 1)), Uint8Array.of(i));
    visitor.close();
    service.close();
  }
  assert(!WARNING.test(client.output), client.output);
});
