// LocalServers that are known by name: one that moves, and many whose name server is silent, beside one that works.

import { assert } from "../support/assert.ts";
import { connectTo, endingOf, soon } from "../support/conns.ts";
import { Names } from "../support/names.ts";
import { ignoreWithoutNetworks, Network } from "../support/network.ts";
import { nearAddress, session } from "../support/far_pair.ts";
import { startClient, startServer } from "../support/starts.ts";

const PORT = 7000; // in a namespace where nobody else is
/** More than there are threads for look-ups. */
const SILENT = 40;
/** Ms within which what does not depend on a silent name server happens. It takes 10 s to find out about one. */
const PROMPT_MS = 5000;

Deno.test({
  name: "a LocalServer that moves is found, and names that do not resolve delay nobody but their own tunnels",
  ignore: ignoreWithoutNetworks(),
  fn: async () => {
    await using stack = new AsyncDisposableStack();
    const network = stack.use(await Network.make());
    await network.lose("everything");
    const place = network.client;
    const names = stack.use(await Names.make());
    await names.setAll({ "server.test": "127.0.0.1", "app.test": "127.0.0.2" });
    const listen = (hostname: string) => place.inside(() => Deno.listen({ hostname, port: PORT }));
    const [here, there] = [listen("127.0.0.2"), listen("127.0.0.3")];
    stack.defer(() => there.close());
    const config = stack.adopt(await Deno.makeTempFile({ suffix: ".yaml" }), (path) => Deno.remove(path));
    const silent = Array.from({ length: SILENT }, (_, i) => `silent${i}`);
    const tunnels = ["app", ...silent].map((name) => `  - { name: ${name}, local_server: "${name}.test:${PORT}" }\n`);
    await Deno.writeTextFile(config, `tunnels:\n${tunnels.join("")}`);

    const flags = ["--drain_timeout=1s"];
    const server = stack.use(await place.inside(() => startServer(flags)));
    const started = performance.now();
    const to = `--cproxy_server=server.test:${server.ctlPort}`;
    const client = stack.use(
      place.inside(() => startClient(0, [`--config=${config}`, to, ...flags], {}, names.launcher)),
    );
    const visit = async (listener: Deno.TcpListener) => {
      const connect = (address: string) => place.inside(() => connectTo(address));
      const since = performance.now();
      const ends = await soon("a session", session({ connect, listener }, address));
      for (const conn of ends) conn.close();
      return performance.now() - since;
    };
    const address = await nearAddress(client, "app");
    assert(performance.now() - started < PROMPT_MS, "The login waited for a LocalServer's name");
    assert(await visit(here) < PROMPT_MS, "The first visit was delayed");

    // visitors of all the others wait, and those of the one that works do not
    const waiting = await Promise.all(silent.map(async (name) => {
      const address = await nearAddress(client, name);
      return await place.inside(() => connectTo(address));
    }));
    const ended = Promise.all(waiting.map((visitor) => endingOf(visitor)));
    await names.setAll({ "server.test": "127.0.0.1", "app.test": "127.0.0.3" });
    here.close();
    // an answer of the resolver that is younger than 50 ms is believed, also where nobody listens
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert(await visit(there) < PROMPT_MS, "A LocalServer that has moved was found late");
    // the server's name is looked up as well
    const back = client.nextLine(/Tunnel is up .*name=app /, PROMPT_MS + 10_000);
    await place.tool("ss", ["-K", "dport", "=", `:${server.ctlPort}`]);
    const lost = performance.now();
    await back;
    assert(performance.now() - lost < PROMPT_MS, "The server's name was found late");
    await soon("the others' visitors are sent away", ended, 30_000);
    for (const visitor of waiting) visitor.close();
  },
});
