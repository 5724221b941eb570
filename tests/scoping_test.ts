// Whose is what: tunnels of one client, tunnels of several clients, and public ports that two of them want.

import { assertEquals } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon } from "./support/conns.ts";
import { tunnelCountersOf } from "./support/inspection.ts";
import type { Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

Deno.test("every visitor reaches the service of its own tunnel and is counted there, with two clients of two tunnels each", async () => {
  await using stack = new AsyncDisposableStack();
  const { ctlPort, program: server } = stack.use(
    await startServer(["--drain_timeout=1s", "--work_thread_nums=2", "--pool_count=2"]),
  );
  const listeners: Deno.TcpListener[] = [];
  const addresses: string[] = [];
  const clients: Program[] = [];
  let serving = true;
  const services: Promise<void>[] = [];
  for (const pair of [0, 1]) {
    const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
    stack.defer(() => Deno.remove(config));
    let tunnels = "tunnels:\n";
    for (const name of ["first", "second"]) {
      const listener = stack.adopt(listenLocally(), (listener) => listener.close());
      const number = listeners.push(listener) - 1;
      tunnels += `  - { name: ${name}, local_server: "${addressOf(listener)}" }\n`;
      services.push((async () => {
        while (serving) {
          const service = await acceptFrom(listener);
          void service.write(new Uint8Array(number + 1).fill(number)).finally(() => service.close());
        }
      })());
    }
    await Deno.writeTextFile(config, tunnels);
    const client = stack.use(startClient(ctlPort, [`--config=${config}`, `--work_thread_nums=${pair + 1}`]));
    clients.push(client);
    for (const name of ["first", "second"]) addresses.push(await publicAddress(client, name));
  }
  assertEquals(new Set(addresses).size, 4);

  const visit = async (_: unknown, i: number) => {
    const visitor = await connectTo(addresses[i % 4]);
    assertEquals(await readExactly(visitor, i % 4 + 1), new Uint8Array(i % 4 + 1).fill(i % 4));
    visitor.close();
  };
  for (let round = 0; round < 5; round++) {
    await soon("all are answered", Promise.all(Array.from({ length: 40 }, visit)));
  }
  const expected = [0, 1, 2, 3].map((number) => ({ sessionsOpened: 50, bytes: 50 * (number + 1) }));
  const atServer = await tunnelCountersOf(server, addresses);
  assertEquals(atServer.map((c) => ({ sessionsOpened: c.sessionsOpened, bytes: c.bytesFromProxy })), expected);
  const atClients = [
    ...await tunnelCountersOf(clients[0], addresses.slice(0, 2)),
    ...await tunnelCountersOf(clients[1], addresses.slice(2)),
  ];
  assertEquals(atClients.map((c) => ({ sessionsOpened: c.sessionsOpened, bytes: c.bytesToProxy })), expected);
  serving = false;
  for (const listener of listeners) (await connectTo(addressOf(listener))).close();
  await Promise.all(services);
});

Deno.test("a public port that another tunnel or program has is refused with its name, and the other tunnels are up", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const taken = stack.adopt(listenLocally(), (listener) => listener.close());
  const { ctlPort, program: server } = stack.use(await startServer(["--drain_timeout=1s"]));
  const local = `--local_server=${addressOf(listener)}`;
  const first = stack.use(startClient(ctlPort, [local, "--name=first"]));
  const port = (await publicAddress(first, "first")).split(":")[1];

  const config = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  stack.defer(() => Deno.remove(config));
  const to = `local_server: "${addressOf(listener)}"`;
  await Deno.writeTextFile(
    config,
    `tunnels:\n  - { name: rival, remote_port: ${port}, ${to} }\n` +
      `  - { name: squatter, remote_port: ${taken.addr.port}, ${to} }\n  - { name: free, ${to} }\n`,
  );
  const second = stack.use(startClient(ctlPort, [`--config=${config}`]));
  await publicAddress(second, "free");
  const refusals: readonly (readonly [RegExp, RegExp])[] = [
    [/name=rival /, new RegExp(`Port ${port} belongs to tunnel .*first.* of the client at 127\\.0\\.0\\.1:\\d+`)],
    [/name=squatter /, new RegExp(`Port ${taken.addr.port} is in use on the server by another program`)],
  ];
  for (const program of [second, server]) {
    for (const [name, reason] of refusals) {
      await program.line(new RegExp(`Tunnel is refused .*${name.source}.*${reason.source}`));
    }
  }

  // each tunnel goes to its own service: the first client's is not disturbed, and its port is free once it has gone
  const back = second.nextLine(new RegExp(`Tunnel is up .*name=rival public=127\\.0\\.0\\.1:${port}\\b`), 20_000);
  await first.stop();
  await back;
  const [visitor, service] = await soon(
    "a session starts",
    Promise.all([connectTo(`127.0.0.1:${port}`), acceptFrom(listener)]),
  );
  visitor.close();
  service.close();
});
