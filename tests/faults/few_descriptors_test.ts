// A limit of descriptors that leaves room for few visitors, or for none: told when the program starts.

import { assertEquals, assertMatch } from "../support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  soon,
  writeAll,
} from "../support/conns.ts";
import { withDescriptors } from "../support/constrained.ts";
import { Program } from "../support/program.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";
import { FROM_SOURCE } from "../support/tunnels.ts";

/** What each program needs at least, with one relay Worker. */
const NEEDED = { server: 64, client: 54 };
const FLAGS = {
  server: ["--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0", "--work_thread_nums=1"],
  client: ["--cproxy_server=127.0.0.1:1", "--local_server=127.0.0.1:1", "--work_thread_nums=1"],
};

for (const name of ["server", "client"] as const) {
  Deno.test(`a ${name} whose descriptors are too few for one visitor says so in one line and ends`, async () => {
    for (const limit of [24, NEEDED[name] - 1]) {
      const program = new Program(name, withDescriptors(limit, [...FROM_SOURCE[name], ...FLAGS[name]]));
      assertEquals((await program.end()).code, 1);
      const threads = name === "server" ? 3 : 2;
      const said = new RegExp(
        `^This process may open ${limit} descriptors; with ${threads} threads it needs ${NEEDED[name]} .*ulimit -n.*$`,
      );
      assertMatch(program.output, said);
    }
  });
}

Deno.test("with as few descriptors as there may be both programs warn, and serve one visitor after the other", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const server = stack.use(await startServer([], {}, withDescriptors(NEEDED.server, [])));
  const local = `--local_server=${addressOf(listener)}`;
  const client = stack.use(startClient(server.ctlPort, [local], {}, withDescriptors(NEEDED.client, [])));
  const address = await publicAddress(client);
  for (const program of [server.program, client]) await program.line(/WARN .*so low that few visitors .* visitors=1 /);
  for (let i = 0; i < 4; i++) {
    const visitor = await connectTo(address);
    const service = await soon("a session", acceptFrom(listener));
    await writeAll(service, new Uint8Array([i]));
    assertEquals(await soon("a byte", readExactly(visitor, 1)), new Uint8Array([i]));
    service.close();
    assertEquals(await soon("its end", endingOf(visitor)), "end");
    visitor.close();
  }
});
