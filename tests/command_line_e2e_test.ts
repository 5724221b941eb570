// The command lines of the real programs: help, version, mistakes, and ports that are taken.

import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { acceptFrom, connectTo, listenLocally, readExactly, soon, writeAll } from "./support/conns.ts";
import { Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";
import { FROM_SOURCE } from "./support/tunnels.ts";

type Side = "server" | "client";
const SIDES: readonly Side[] = ["server", "client"];

/** Runs a program that ends by itself: its status, and the lines that it wrote. */
async function run(side: Side, flags: readonly string[]): Promise<{ code: number; lines: string[] }> {
  const program = new Program(side, [...FROM_SOURCE[side], ...flags]);
  const { code } = await program.end();
  return { code, lines: program.output.split("\n") };
}

for (const side of SIDES) {
  Deno.test(`the ${side} explains every flag with --help, and says its version`, async () => {
    const help = await run(side, ["--help"]);
    assertEquals(help.code, 0);
    const text = help.lines.join("\n");
    assertMatch(text, new RegExp(`cproxy-${side}`));
    const flags = ["--config", "--work_thread_nums", "--token", "--token_file", "--drain_timeout", "--log_level"];
    const own = side === "server"
      ? ["--bind", "--ctl_port", "--proxy_port"]
      : ["--local_server", "--cproxy_server", "--remote_port", "--name"];
    for (const flag of [...flags, ...own]) assert(text.includes(flag), `The help does not mention ${flag}`);

    const version = await run(side, ["--version"]);
    assertEquals(version.code, 0);
    assertMatch(version.lines.join("\n"), /^cproxy-(server|client) \d+\.\d+\.\d+$/);
  });

  Deno.test(`a mistake on the ${side}'s command line is one line that says what is right, and status 2`, async () => {
    for (
      const [flag, said] of [
        ["--tokn=x", /tokn.*--token/],
        ["--work_thread_nums=0", /--work_thread_nums.*1 to 64.*"?0/],
        ["--log_level=loud", /--log_level.*debug/],
        ["--config=/no/such/file.yaml", /\/no\/such\/file\.yaml/],
      ] as const
    ) {
      const { code, lines } = await run(side, [flag]);
      assertEquals(code, 2, lines.join("\n"));
      assertEquals(lines.length, 1, lines.join("\n"));
      assertMatch(lines[0], said);
    }
  });
}

Deno.test("a mistake in a YAML file is one line with its file, its line and what is expected, and status 2", async () => {
  const path = await Deno.makeTempFile({ prefix: "cproxy-", suffix: ".yaml" });
  try {
    await Deno.writeTextFile(
      path,
      "cproxy_server: 127.0.0.1:8080\ntunnels:\n  - name: web\n    local_server: nowhere\n",
    );
    const { code, lines } = await run("client", [`--config=${path}`]);
    assertEquals(code, 2);
    assertEquals(lines.length, 1, lines.join("\n"));
    assertMatch(lines[0], new RegExp(`${path}:4.*local_server.*expected host:port.*"nowhere"`));
  } finally {
    await Deno.remove(path);
  }
});

Deno.test("a port of the server that is taken is one line that names it, and status 1", async () => {
  using taken = listenLocally();
  const { port } = taken.addr;
  for (const setting of ["ctl_port", "proxy_port"]) {
    const other = setting === "ctl_port" ? "--proxy_port=0" : "--ctl_port=0";
    const { code, lines } = await run("server", ["--bind=127.0.0.1", `--${setting}=${port}`, other]);
    assertEquals(code, 1);
    assertEquals(lines, [`The ${setting} ${port} is in use by another program (127.0.0.1:${port})`]);
  }
});

Deno.test("an address for public ports that this host does not have is one line without a port", async () => {
  const { code, lines } = await run("server", [
    "--bind=127.0.0.1",
    "--ctl_port=0",
    "--proxy_port=0",
    "--public_bind=192.0.2.1",
  ]);
  assertEquals(code, 1);
  assertEquals(lines, ["Cannot open public_bind: 192.0.2.1 is not an address of this host"]);
});

Deno.test("a bind that this host does not have is not called public_bind", async () => {
  const { code, lines } = await run("server", ["--bind=192.0.2.1", "--ctl_port=18080"]);
  assertEquals([code, lines], [1, ["Cannot open ctl_port 18080: 192.0.2.1 is not an address of this host"]]);
});

Deno.test("a client says at its start that a service has no socket, and that a token looks like a variable", async () => {
  const flags = ["--local_server=unix:/no/such.sock", "--cproxy_server=127.0.0.1:1", "--token=${TOKEN}"];
  await using client = new Program("client", [...FROM_SOURCE.client, ...flags]);
  await client.line(/WARN {2}The token looks like a variable without its value setting=--token$/);
  await client.line(/WARN {2}Local service has no socket yet name=default local=unix:\/no\/such.sock$/);
  assert(!client.output.includes("TOKEN"));
});

Deno.test("port 0 takes a free one, hyphens are underscores, and a client without --remote_port prints its port", async () => {
  await using stack = new AsyncDisposableStack();
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const { ctlPort } = stack.use(await startServer(["--drain-timeout=1s", "--log-level=info"]));
  const { port } = listener.addr;
  const client = stack.use(startClient(ctlPort, ["--local-server", `localhost:${port}`, "--name", "by_name"]));
  const address = await publicAddress(client, "by_name");
  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
  await writeAll(visitor, new Uint8Array([1]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([1]));
  visitor.close();
  service.close();
});
