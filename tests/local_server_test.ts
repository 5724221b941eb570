// LocalServers that refuse, say nothing, or come back, behind the real programs.

import { createHash } from "node:crypto";
import { checked, Errno, SystemError } from "../ffi/errno.ts";
import { close, type Descriptor } from "../ffi/descriptor.ts";
import { accept, listenOn, localAddress, receive } from "../ffi/socket.ts";
import { internetAddress, portOf } from "../ffi/socket_address.ts";
import { assertEquals } from "./support/assert.ts";
import {
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  readToEnd,
  resetConn,
  soon,
  visitEnding,
  writeAll,
  writePayload,
} from "./support/conns.ts";
import { type Holdings, holdingsAfterStart, holdingsOf, idleAgain } from "./support/holdings.ts";
import { countersOf, until } from "./support/inspection.ts";
import { payloadSha256 } from "./support/payload.ts";
import { freePorts, type Program } from "./support/program.ts";
import { publicAddress, type Server, startClient, startServer } from "./support/starts.ts";

/** Resources are shared by the tests of this file, which the sanitizers take for leaks. */
const SHARED = { sanitizeOps: false, sanitizeResources: false };

const folder = Deno.makeTempDirSync({ prefix: "cproxy-" });
const working = listenLocally();
/** Listens, and accepts only what a test accepts by hand: one or two connections fit into its queue. */
const deaf = checked(listenOn(internetAddress("127.0.0.1", 0)!, 1), "listen", "testing") as Descriptor;
const [absentPort] = freePorts(1);
const absentPath = `${folder}/absent.sock`;
const localServers: Record<string, string> = {
  working: addressOf(working),
  deaf: `127.0.0.1:${portOf(localAddress(deaf)!)}`,
  absent: `127.0.0.1:${absentPort}`,
  absent_unix: `unix:${absentPath}`,
};
const addresses: Record<string, string> = {};
let server: Server;
let client: Program;
let idle: readonly [server: Holdings, client: Holdings];

Deno.test.beforeAll(async () => {
  server = await startServer(["--drain_timeout=1s"]);
  const tunnels = Object.entries(localServers).map(([name, to]) => `  - { name: ${name}, local_server: "${to}" }\n`);
  await Deno.writeTextFile(`${folder}/client.yaml`, `tunnels:\n${tunnels.join("")}`);
  client = startClient(server.ctlPort, [`--config=${folder}/client.yaml`, "--drain_timeout=1s"]);
  for (const name of Object.keys(localServers)) addresses[name] = await publicAddress(client, name);
  idle = [await holdingsAfterStart(server.program), await holdingsAfterStart(client)];
});

Deno.test.afterAll(async () => {
  await client.stop();
  await server.program.stop();
  working.close();
  close(deaf);
  await Deno.remove(folder, { recursive: true });
});

/** The SHA-256 of what comes on a descriptor, which is no connection of Deno, up to its end. */
async function readAccepted(fd: Descriptor): Promise<string> {
  const hash = createHash("sha256");
  const room = new Uint8Array(65_536);
  for (;;) {
    const count = receive(fd, room);
    if (count === 0) return hash.digest("hex");
    if (count > 0) hash.update(room.subarray(0, count));
    else if (count !== -Errno.EAGAIN) throw new SystemError("recv", -count, "testing");
    else await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function nothingIsLeft(): Promise<void> {
  await idleAgain(server.program, idle[0]);
  await idleAgain(client, idle[1]);
}

/** One exchange with the LocalServer that works. */
async function othersAreServed(): Promise<void> {
  const [visitor, service] = await soon(
    "the other tunnel serves",
    Promise.all([connectTo(addresses.working), working.accept()]),
  );
  await writeAll(visitor, new Uint8Array([5]));
  assertEquals(await soon("its byte arrives", readExactly(service, 1)), new Uint8Array([5]));
  service.close();
  await soon("its end arrives", readToEnd(visitor));
  visitor.close();
}

for (const name of ["absent", "absent_unix"]) {
  Deno.test(`a LocalServer that refuses closes its visitor at once (${name})`, SHARED, async () => {
    await soon("the visitor is closed", visitEnding(addresses[name]), 5000);
    await soon("the visitor that sends is closed", visitEnding(addresses[name], 10_000_000), 5000);
  });
}

Deno.test(
  "five hundred visitors of a LocalServer that refuses are all closed, and others are served",
  SHARED,
  async () => {
    const before = await countersOf(server.program);
    const visits = Promise.all(Array.from({ length: 500 }, () => visitEnding(addresses.absent)));
    await othersAreServed();
    await soon("all of them are closed", visits);
    const { sessionsRefused } = await countersOf(server.program);
    assertEquals(sessionsRefused - before.sessionsRefused, 500);
    await nothingIsLeft();
  },
);

for (const name of ["absent", "absent_unix"]) {
  Deno.test(`the first visitor after a LocalServer has come back is served (${name})`, SHARED, async () => {
    const listener = name === "absent"
      ? Deno.listen({ hostname: "127.0.0.1", port: absentPort })
      : Deno.listen({ transport: "unix", path: absentPath });
    const [visitor, service] = await soon(
      "the visitor is served",
      Promise.all([connectTo(addresses[name]), listener.accept()]),
    );
    const answered = writePayload(service, 4, 300_000).then(() => service.close());
    assertEquals((await soon("the answer arrives", readToEnd(visitor))).sha256, payloadSha256(4, 300_000));
    await answered;
    visitor.close();
    listener.close();
    await nothingIsLeft();
  });
}

Deno.test("a LocalServer that accepts and says nothing keeps its visitor, and hears of its end", SHARED, async () => {
  const [visitor, service] = await Promise.all([connectTo(addresses.working), working.accept()]);
  await othersAreServed();
  visitor.close();
  assertEquals(await soon("the end arrives", endingOf(service)), "end");
  service.close();
  await nothingIsLeft();
});

Deno.test(
  "visitors of a LocalServer that does not accept wait, and leave nothing behind when they go",
  SHARED,
  async () => {
    const before = await countersOf(client);
    const visitors = await Promise.all(Array.from({ length: 20 }, () => connectTo(addresses.deaf)));
    await Promise.all(visitors.map((visitor) => writeAll(visitor, new Uint8Array(1000))));
    const opened = (seen: typeof before) => seen.sessionsOpened - before.sessionsOpened === 20;
    await until("all of them have a session", () => countersOf(client), opened);
    await othersAreServed();
    for (const visitor of visitors) resetConn(visitor);
    await nothingIsLeft();
  },
);

Deno.test("a visitor whose LocalServer takes its time to accept gets every byte through", SHARED, async () => {
  const acceptAll = () => {
    const accepted: Descriptor[] = [];
    for (let fd = accept(deaf); fd >= 0; fd = accept(deaf)) accepted.push(fd as Descriptor);
    return accepted;
  };
  acceptAll().forEach(close); // connections of visitors that have gone
  // with these two its queue is full: the kernel does not answer the next one
  const others = [await connectTo(localServers.deaf), await connectTo(localServers.deaf)];
  const visitor = await connectTo(addresses.deaf);
  await writePayload(visitor, 3, 300_000);
  await visitor.closeWrite();
  await until("it has a session", () => holdingsOf(server.program), ({ sessions }) => sessions === 1);

  const services: Descriptor[] = [];
  await until("all three are accepted", () => services.push(...acceptAll()), (count) => count === 3);
  for (const other of others) other.close();
  const received = await soon("all streams arrive", Promise.all(services.map(readAccepted)));
  assertEquals(received.filter((sha256) => sha256 === payloadSha256(3, 300_000)).length, 1);
  services.forEach(close);
  assertEquals(await soon("the end arrives", endingOf(visitor)), "end");
  visitor.close();
  await nothingIsLeft();
});
