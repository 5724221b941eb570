// Tokens between the real programs: where they come from, what is said when they differ, who is served without one.

import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon, writeAll } from "./support/conns.ts";
import type { Program } from "./support/program.ts";
import { publicAddress, type Server, startClient, startServer } from "./support/starts.ts";

/** Resources are shared by the tests of this file, which the sanitizers take for leaks. */
const SHARED = { sanitizeOps: false, sanitizeResources: false };

const TOKEN = "correct horse battery staple";
const folder = Deno.makeTempDirSync({ prefix: "cproxy-" });
const tokenFile = `${folder}/token`;
const listener = listenLocally();
const local = `--local_server=${addressOf(listener)}`;
let guarded: Server;
let open: Server;

Deno.test.beforeAll(async () => {
  Deno.writeTextFileSync(tokenFile, `${TOKEN}\n`);
  Deno.writeTextFileSync(`${folder}/server.yaml`, `token: "${TOKEN}"\nctl_port: 0\nproxy_port: 0\n`);
  // one after the other: two Denos at once take as long
  guarded = await startServer([`--config=${folder}/server.yaml`, "--drain_timeout=1s"]);
  open = await startServer(["--bind=0.0.0.0", "--drain_timeout=1s"]);
});

Deno.test.afterAll(async () => {
  await guarded.program.stop();
  await open.program.stop();
  listener.close();
  await Deno.remove(folder, { recursive: true });
});

/** A byte through the tunnel of `client`. */
async function serves(client: Program): Promise<void> {
  const address = await publicAddress(client);
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
  await writeAll(visitor, new Uint8Array([9]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([9]));
  visitor.close();
  service.close();
}

const sources: Record<string, { flags: string[]; env: Record<string, string> }> = {
  "its flag": { flags: [local, `--token=${TOKEN}`], env: {} },
  "its file": { flags: [local, `--token_file=${tokenFile}`], env: {} },
  "the environment": { flags: [local], env: { CPROXY_TOKEN: TOKEN } },
  "YAML": { flags: [`--config=${folder}/client.yaml`], env: {} },
};
Deno.writeTextFileSync(
  `${folder}/client.yaml`,
  `token_file: token\ntunnels:\n  - local_server: "${addressOf(listener)}"\n`,
);

for (const [source, { flags, env }] of Object.entries(sources)) {
  Deno.test(`a client with the token from ${source} is served`, SHARED, async () => {
    await using client = startClient(guarded.ctlPort, flags, env);
    await serves(client);
  });
}

Deno.test("a wrong token is refused, both sides say why, and the token is in no log", SHARED, async () => {
  const refused = guarded.program.nextLine(/Login has failed .*reason=(.*)/);
  await using client = startClient(guarded.ctlPort, [local, "--token=something else"]);
  const [, reason] = await client.line(/Not connected to the server .*reason=("[^"]*")/);
  assertEquals(reason, `"The client's token is not the server's"`);
  assertEquals((await refused)[1], reason);
  const said = client.output + guarded.program.output;
  assert(!said.includes("something else") && !said.includes(TOKEN));
});

Deno.test("a client without a token is refused by a server that has one, and is told so", SHARED, async () => {
  const refused = guarded.program.nextLine(/Login has failed .*reason=(.*)/);
  await using client = startClient(guarded.ctlPort, [local]);
  const [, reason] = await client.line(/Not connected to the server .*reason=("[^"]*")/);
  assertEquals(reason, `"This server demands a token, and the client has none"`);
  assertEquals((await refused)[1], reason);
});

Deno.test("a client with a token refuses a server that has none", SHARED, async () => {
  await using client = startClient(open.ctlPort, [local, `--token=${TOKEN}`]);
  const [, reason] = await client.line(/Not connected to the server .*reason=("[^"]*")/);
  assertMatch(reason, /This client has a token and the server has none/);
  assert(!open.program.output.includes("Client has logged in"));
});

Deno.test("a server without a token warns of it, and serves a client on its own host", SHARED, async () => {
  await open.program.line(/WARN .*no token/);
  await using near = startClient(open.ctlPort, [local]);
  await serves(near);
});

/** An address of this machine that is no loopback one: when connected to, the kernel takes it as the sender's as well. */
const otherAddress = Deno.networkInterfaces()
  .find(({ family, address }) => family === "IPv4" && !address.startsWith("127."))?.address;
const AWAY = { ...SHARED, ignore: otherAddress === undefined };

Deno.test("a server without a token refuses a client that does not come from loopback", AWAY, async () => {
  const refused = open.program.nextLine(/Login has failed .*reason=(.*)/);
  await using far = startClient(open.ctlPort, [local, `--cproxy_server=${otherAddress}:${open.ctlPort}`]);
  const [, reason] = await far.line(/Not connected to the server .*reason=("[^"]*")/);
  assertMatch(reason, /This server has no token and serves only clients on its own host/);
  assertEquals((await refused)[1], reason);
});
