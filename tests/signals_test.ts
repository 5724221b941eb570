// What both programs do with signals: SIGHUP ends neither, what one tool sends twice is one signal, and as the first
// process of a container they end in order and leave no process of others unburied.

import { SignalFilter } from "../core/supervisor/signals.ts";
import { assertEquals, assertMatch } from "./support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  soon,
  writeAll,
} from "./support/conns.ts";
import { childrenOf, until } from "./support/inspection.ts";
import { Program } from "./support/program.ts";
import { publicAddress, startClient, startPair, startServer } from "./support/starts.ts";
import { ignoreWithout, toolPath } from "./support/tools.ts";
import { FROM_SOURCE } from "./support/tunnels.ts";

const SERVER = [...FROM_SOURCE.server, "--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0", "--work_thread_nums=1"];
const HANGUP = /SIGHUP/;

Deno.test("SIGHUP is logged in one line and ends neither program", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { server, client, address } = stack.use(await startPair(addressOf(listener)));
  for (const program of [server, client]) {
    const line = program.nextLine(HANGUP);
    program.kill("SIGHUP");
    await line;
  }
  const [visitor, service] = await soon("a session", Promise.all([connectTo(address), acceptFrom(listener)]));
  await writeAll(visitor, new Uint8Array([1]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([1]));
  visitor.close();
  service.close();
  for (const program of [client, server]) {
    assertEquals((await program.stop()).code, 0);
    assertEquals(program.output.split("\n").filter((line) => HANGUP.test(line)).length, 1);
  }
});

Deno.test("under nohup SIGHUP ends no program", async () => {
  await using server = new Program("server", [toolPath("nohup"), ...SERVER]);
  await server.line(/Server is ready/);
  const line = server.nextLine(HANGUP);
  server.kill("SIGHUP");
  await line;
  assertEquals((await server.stop()).code, 0);
});

Deno.test("the same signal is one within 200 ms of the one that counted, and another signal is new at once", () => {
  const filter = new SignalFilter();
  const came: [string, number][] = [["a", 0], ["a", 199], ["a", 200], ["b", 201], ["a", 202], ["a", 202]];
  assertEquals(came.map(([signal, ms]) => filter.isNew(signal, ms)), [true, false, true, true, true, false]);
});

Deno.test("a signal that comes twice at once is one, and one that comes later is the second", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { program: server, ctlPort } = stack.use(await startServer(["--drain_timeout=60s"]));
  const client = stack.use(startClient(ctlPort, [`--local_server=${addressOf(listener)}`]));
  const address = await publicAddress(client);
  const [visitor, service] = await soon("a session", Promise.all([connectTo(address), acceptFrom(listener)]));

  server.kill("SIGTERM");
  await server.line(/Stopping/);
  server.kill("SIGTERM");
  // longer than what counts as one signal; on the way it would have stopped
  await new Promise((resolve) => setTimeout(resolve, 400));
  await writeAll(visitor, new Uint8Array([1]));
  assertEquals(await soon("the session goes on", readExactly(service, 1)), new Uint8Array([1]));
  server.kill("SIGTERM");
  await server.line(/Second signal/);
  assertEquals(await soon("the session is reset", endingOf(visitor)), "reset");
  assertEquals((await server.end()).code, 1);
  visitor.close();
  service.close();
});

Deno.test("under GNU timeout, which signals a program and then its group, sessions may finish", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const server = stack.use(new Program("server", [toolPath("timeout"), "60", ...SERVER]));
  const [, ctlPort] = await server.line(/Server is ready ctl=\S*:(\d+)/);
  const client = stack.use(startClient(Number(ctlPort), [`--local_server=${addressOf(listener)}`]));
  const address = await publicAddress(client);
  const [visitor, service] = await soon("a session", Promise.all([connectTo(address), acceptFrom(listener)]));

  server.kill("SIGTERM");
  await server.line(/Stopping/);
  await writeAll(visitor, new Uint8Array([1]));
  assertEquals(await soon("the session goes on", readExactly(service, 1)), new Uint8Array([1]));
  visitor.close();
  service.close();
  assertEquals((await server.end()).code, 0, server.output);
  assertMatch(server.output, /has stopped$/);
});

/** Makes the program behind it the first process of a process namespace, which ends with the test. */
const CONTAINER = [
  ...["unshare", ...(Deno.uid() === 0 ? [] : ["--user", "--map-root-user"])],
  ...["--pid", "--fork", "--mount-proc", "--kill-child"],
];

/** Whether tests that need one are ignored: an ordinary user may have none, as the host wants it. */
function ignoreWithoutContainers(): boolean {
  if (ignoreWithout("unshare")) return true;
  if (Deno.env.get("CPROXY_REQUIRE_TOOLS") === "1") return false;
  const [tool, ...args] = CONTAINER;
  return !new Deno.Command(toolPath(tool), { args: [...args, "true"], stdin: "null" }).outputSync().success;
}

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test({
    name: `as the first process of a container a program buries orphans, logs SIGHUP, and ends in order by ${signal}`,
    ignore: ignoreWithoutContainers(),
    async fn() {
      const [tool, ...args] = CONTAINER;
      // the shell starts a process whose parent ends, so that the shell becomes its parent, and then becomes the server
      const orphan = ["/bin/sh", "-c", '(sleep 0.3 &) ; exec "$0" "$@"'];
      await using server = new Program("server", [toolPath(tool), ...args, ...orphan, ...SERVER]);
      await server.line(/Server is ready/);
      const [first] = childrenOf(server.pid);
      await until("no child is left", () => childrenOf(first), (children) => children.length === 0);
      for (let i = 0; i < 2; i++) {
        const line = server.nextLine(HANGUP);
        Deno.kill(first, "SIGHUP");
        await line;
      }
      Deno.kill(first, signal);
      assertEquals(await server.end(), { success: true, code: 0, signal: null });
      assertMatch(server.output, /has stopped$/);
    },
  });
}
