// Half-close through the real programs: each direction of a session ends on its own, with every byte before its end.

import {
  addressOf,
  type Conn,
  connectTo,
  listenLocally,
  readToEnd,
  type Received,
  soon,
  writeAll,
  writePayload,
} from "./support/conns.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { type Holdings, holdingsAfterStart, idleAgain } from "./support/holdings.ts";
import { countersOf } from "./support/inspection.ts";
import { payloadSha256 } from "./support/payload.ts";
import type { Program } from "./support/program.ts";
import { publicAddress, type Server, startClient, startServer } from "./support/starts.ts";

/** Resources are shared by the tests of this file, which the sanitizers take for leaks. */
const SHARED = { sanitizeOps: false, sanitizeResources: false };
const LARGE = 10_000_000;

/** A tunnel with a listener behind it, and how to reach its public port. */
interface Path {
  readonly listener: Deno.TcpListener | Deno.UnixListener;
  address: string;
}

const socketPath = Deno.makeTempDirSync({ prefix: "cproxy-" }) + "/service.sock";
const paths: Record<string, Path> = {
  ipv4: { listener: listenLocally(), address: "" },
  ipv6: { listener: Deno.listen({ hostname: "::1", port: 0 }), address: "" },
  unix: { listener: Deno.listen({ transport: "unix", path: socketPath }), address: "" },
};
let server: Server;
let client: Program;
let idle: readonly Holdings[];

Deno.test.beforeAll(async () => {
  server = await startServer(["--bind=::"]);
  const config = `${socketPath}.yaml`;
  const tunnels = Object.entries(paths).map(([name, { listener }]) =>
    `  - { name: ${name}, local_server: "${
      name === "unix" ? `unix:${socketPath}` : addressOf(listener as Deno.TcpListener)
    }" }\n`
  );
  await Deno.writeTextFile(config, `tunnels:\n${tunnels.join("")}`);
  client = startClient(server.ctlPort, [`--config=${config}`, "--drain_timeout=1s"]);
  for (const [name, path] of Object.entries(paths)) {
    const port = (await publicAddress(client, name)).split(":").pop();
    path.address = `${name === "ipv6" ? "[::1]" : "127.0.0.1"}:${port}`;
  }
  idle = [await holdingsAfterStart(server.program), await holdingsAfterStart(client)];
});

Deno.test.afterAll(async () => {
  await client.stop();
  await server.program.stop();
  for (const { listener } of Object.values(paths)) listener.close();
  await Deno.remove(socketPath.slice(0, socketPath.lastIndexOf("/")), { recursive: true });
});

/** Both ends of a new session. */
async function session({ listener, address }: Path): Promise<[visitor: Conn, service: Conn]> {
  return await soon("a session starts", Promise.all([connectTo(address), listener.accept()]));
}

/** What arrives of the payload `seed` of `bytes` bytes when nothing is wrong. */
function whole(seed: number, bytes: number): Received {
  return { bytes, sha256: payloadSha256(seed, bytes) };
}

let seed = 0;

/** `first` sends, ends its direction, and only then gets an answer, made behind the end of what it sent. */
async function endsFirst(first: Conn, second: Conn, bytes: number, answerBytes: number): Promise<void> {
  const [request, answer] = [++seed, ++seed];
  const asked = (async () => {
    await writePayload(first, request, bytes);
    await first.closeWrite();
  })();
  assertEquals(await soon("the first one's stream arrives", readToEnd(second)), whole(request, bytes));
  await asked;
  const answered = (async () => {
    await writePayload(second, answer, answerBytes);
    await second.closeWrite();
  })();
  assertEquals(await soon("the answer arrives", readToEnd(first)), whole(answer, answerBytes));
  await answered;
  first.close();
  second.close();
}

for (const [name, path] of Object.entries(paths)) {
  for (const bytes of [0, 1, LARGE]) {
    Deno.test(`a visitor that ends its side after ${bytes} bytes gets its answer (${name})`, SHARED, async () => {
      // more than once: from the second time on the session is on a ProxyConn that has been used
      for (const answerBytes of [0, 1, bytes === LARGE ? LARGE : 70_000, 1]) {
        const [visitor, service] = await session(path);
        await endsFirst(visitor, service, bytes, answerBytes);
      }
    });

    Deno.test(`a service that ends its side after ${bytes} bytes gets what comes then (${name})`, SHARED, async () => {
      for (const answerBytes of [0, 1, bytes === LARGE ? LARGE : 70_000, 1]) {
        const [visitor, service] = await session(path);
        await endsFirst(service, visitor, bytes, answerBytes);
      }
    });
  }

  Deno.test(`a service that ends its side in mid-transfer gets the rest of it (${name})`, SHARED, async () => {
    const [visitor, service] = await session(path);
    const sent = writePayload(visitor, 7, LARGE).then(() => visitor.closeWrite());
    await writeAll(service, new Uint8Array([1, 2, 3]));
    await service.closeWrite();
    assertEquals((await soon("the service's end arrives", readToEnd(visitor))).bytes, 3);
    assertEquals(await soon("the upload arrives", readToEnd(service)), whole(7, LARGE));
    await sent;
    visitor.close();
    service.close();
  });
}

Deno.test("both sides send and end at the same time", SHARED, async () => {
  for (let round = 0; round < 3; round++) {
    const [visitor, service] = await session(paths.ipv4);
    const send = async (conn: Conn, seed: number) => {
      await writePayload(conn, seed, LARGE);
      await conn.closeWrite();
    };
    const [, , up, down] = await soon(
      "both streams arrive",
      Promise.all([send(visitor, 1), send(service, 2), readToEnd(service), readToEnd(visitor)]),
    );
    assertEquals([up, down], [whole(1, LARGE), whole(2, LARGE)]);
    visitor.close();
    service.close();
  }
});

Deno.test(
  "an end that comes while the other direction is blocked is passed on, and the rest follows",
  SHARED,
  async () => {
    const [visitor, service] = await session(paths.ipv4);
    // the visitor does not read yet: more than all buffers on the way can hold
    const blocked = writePayload(service, 3, 4 * LARGE).then(() => service.closeWrite());
    await writeAll(visitor, new Uint8Array([42]));
    await visitor.closeWrite();
    assertEquals((await soon("the visitor's end arrives", readToEnd(service))).bytes, 1);
    assertEquals(await soon("the rest arrives", readToEnd(visitor)), whole(3, 4 * LARGE));
    await blocked;
    visitor.close();
    service.close();
  },
);

Deno.test("all these sessions used a handful of ProxyConns, and leave nothing behind", SHARED, async () => {
  await idleAgain(server.program, idle[0]);
  await idleAgain(client, idle[1]);
  const { sessionsOpened, sessionsEnded, sessionsReset, proxyConnsOpened } = await countersOf(server.program);
  assertEquals([sessionsEnded, sessionsReset], [sessionsOpened, 0]);
  assert(proxyConnsOpened <= 8, `${sessionsOpened} sessions on ${proxyConnsOpened} ProxyConns`);
});
