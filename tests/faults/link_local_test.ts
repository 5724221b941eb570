// Link-local IPv6 addresses, which mean something only together with an interface (RFC 4007).

import type { Descriptor } from "../../ffi/descriptor.ts";
import { Errno } from "../../ffi/errno.ts";
import { resolveHost } from "../../ffi/resolve.ts";
import { connect, openSocket } from "../../ffi/socket.ts";
import { assertEquals } from "../support/assert.ts";
import { soon, writeAll } from "../support/conns.ts";
import { FAR_ENV } from "../support/far_pair.ts";
import { until } from "../support/inspection.ts";
import { ignoreWithoutNetworks, Network } from "../support/network.ts";
import { Peer } from "../support/stage.ts";
import { startClient, startServer } from "../support/starts.ts";

const HERE = "fe80::c11";
const THERE = "fe80::5e";
const PUBLIC_PORT = 9000; // in a namespace where nobody else is

Deno.test({
  name: "server, public port and LocalServer may have link-local addresses",
  ignore: ignoreWithoutNetworks(),
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.make());
    await network.client.ip(`addr add ${HERE}/64 dev eth0 nodad`);
    await network.router.ip(`addr add ${THERE}/64 dev client nodad`);
    const listener = stack.adopt(
      network.client.inside(() => Deno.listen({ hostname: `${HERE}%eth0`, port: 0 })),
      (listener) => listener.close(),
    );
    // names are resolved on a thread that is in another namespace, where the interface is not known
    const index = /^\d+/.exec(await network.client.tool("ip", ["-o", "link", "show", "eth0"]));
    const flags = ["--drain_timeout=1s"];
    const bind = ["--bind=127.0.0.1", `--public_bind=${THERE}%client`];
    const server = stack.use(
      await network.router.inside(() => startServer([`--bind=[${THERE}%client]`, ...flags], FAR_ENV)),
    );
    const client = stack.use(network.client.inside(() =>
      startClient(0, [
        `--cproxy_server=[${THERE}%eth0]:${server.ctlPort}`,
        `--local_server=[${HERE}%eth0]:${listener.addr.port}`,
        `--remote_port=${PUBLIC_PORT}`,
        ...flags,
      ], FAR_ENV)
    ));
    await client.line(/Tunnel is up/);
    const [address] = await resolveHost(`${THERE}%${index}`, PUBLIC_PORT);
    const visitor = network.client.inside(() => {
      const fd = openSocket(address.family) as Descriptor;
      assertEquals(connect(fd, address), -Errno.EINPROGRESS);
      return new Peer(fd);
    });
    stack.defer(() => visitor.close());
    const service = await soon("a session starts", listener.accept());
    await writeAll(service, Uint8Array.of(7));
    service.close();
    await until("the end arrives", () => Promise.resolve(visitor.read().state), (state) => state !== "open");
    assertEquals([visitor.take(), visitor.state], [Uint8Array.of(7), "end"]);
    await client.stop();
    await server.program.stop();
    // and public ports apart from those of clients
    stack.use(await network.router.inside(() => startServer([...bind, ...flags], FAR_ENV)));
  },
});

Deno.test("an interface that is not there is said to be missing", async () => {
  await using client = startClient(0, [`--cproxy_server=[${THERE}%absent0]:8080`, "--local_server=127.0.0.1:1"]);
  await client.line(/Not connected to the server .*this host has no such interface/);
});
