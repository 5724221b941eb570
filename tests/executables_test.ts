// The smoke test of the executables: what a user does first with them. `CPROXY_EXECUTABLES=dist` says where they are;
// without it nothing is run here.

import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { payloadSha256 } from "./support/payload.ts";
import { freePorts, Program } from "./support/program.ts";
import { serviceUnit } from "./support/service_unit.ts";
import { asNobody } from "./support/unprivileged.ts";
import { Tunnels } from "./support/tunnels.ts";
import { download, fetchPage, pageOf, startWebServer, upload } from "./support/web_server.ts";

const folder = Deno.env.get("CPROXY_EXECUTABLES");
const ignore = folder === undefined;
const PROGRAMS = ["server", "client"] as const;
const FILE_BYTES = 64 * 1024 * 1024;

function executable(name: typeof PROGRAMS[number]): string {
  // An absolute path: a relative one with no slash would be looked for on the PATH.
  return Deno.realPathSync(`${folder}/cproxy-${name}`);
}

async function run(
  name: typeof PROGRAMS[number],
  ...args: string[]
): Promise<{ code: number; out: string; err: string }> {
  const child = new Deno.Command(executable(name), { args, signal: AbortSignal.timeout(10_000) });
  const { code, stdout, stderr } = await child.output();
  const text = new TextDecoder();
  return { code, out: text.decode(stdout), err: text.decode(stderr) };
}

for (const name of PROGRAMS) {
  Deno.test({
    name: `cproxy-${name} says its version`,
    ignore,
    async fn() {
      const { code, out } = await run(name, "--version");
      assertMatch(out, /^\S.*\d+\.\d+\.\d+/);
      assertEquals(code, 0);
    },
  });

  Deno.test({
    name: `cproxy-${name} explains its flags`,
    ignore,
    async fn() {
      const { code, out } = await run(name, "--help");
      assertMatch(out, /--log[_-]level/);
      assertEquals(code, 0);
    },
  });

  Deno.test({
    name: `cproxy-${name} refuses a wrong flag with one line and exit code 2`,
    ignore,
    async fn() {
      const { code, err } = await run(name, "--no_such_flag=1");
      assertMatch(err, /^[^\n]*no[_-]such[_-]flag[^\n]*\n$/);
      assertEquals(code, 2);
    },
  });
}

Deno.test({
  name: "the executables carry a page and a file both ways through a tunnel, and stop with exit code 0",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const web = startWebServer("web");
    stack.defer(() => web.close());
    const commands = { server: [executable("server")], client: [executable("client")] };
    const tunnels = stack.use(await Tunnels.start(commands, { web: web.address }));
    const address = tunnels.public.get("web");
    assert(address !== undefined);

    const signal = AbortSignal.timeout(60_000);
    assertEquals((await fetchPage(address, signal)).bytes, new TextEncoder().encode(pageOf("web")).length);
    assertEquals((await download(address, 1, FILE_BYTES, signal)).sha256, payloadSha256(1, FILE_BYTES));
    assertEquals((await upload(address, 2, FILE_BYTES, signal)).sha256, payloadSha256(2, FILE_BYTES));
    await tunnels.stop();
  },
});

Deno.test({
  name: "the executables need no flag but --config: host names, a token in a file, and several relay Workers",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const web = startWebServer("web");
    stack.defer(() => web.close());
    const [ctlPort, proxyPort] = freePorts(2);
    const file = (name: string, lines: string[]) => {
      Deno.writeTextFileSync(`${folder}/${name}`, `${lines.join("\n")}\n`, { mode: 0o600 });
      return `${folder}/${name}`;
    };
    const common = [`token_file: ${file("token", [crypto.randomUUID()])}`, "work_thread_nums: 3", "drain_timeout: 2s"];
    const serverFile = file("server.yaml", [
      ...common,
      "bind: localhost",
      `ctl_port: ${ctlPort}`,
      `proxy_port: ${proxyPort}`,
    ]);
    const webPort = web.address.split(":")[1];
    const clientFile = file("client.yaml", [
      ...common,
      `cproxy_server: localhost:${ctlPort}`,
      "tunnels:",
      "  - name: web",
      `    local_server: localhost:${webPort}`,
    ]);

    const server = stack.use(new Program("server", [executable("server"), `--config=${serverFile}`]));
    await server.line(/Server is ready/);
    const client = stack.use(new Program("client", [executable("client"), `--config=${clientFile}`]));
    const [, port] = await client.line(/Tunnel is up .*\bname=web .*\bpublic=[^ ]+:(\d+)/);
    const signal = AbortSignal.timeout(60_000);
    // Every relay Worker of both sides has its turn.
    for (let i = 0; i < 9; i++) {
      const { bytes, sha256 } = await download(`localhost:${port}`, i, 100_000, signal);
      assertEquals({ bytes, sha256 }, { bytes: 100_000, sha256: payloadSha256(i, 100_000) });
    }
    assertEquals((await client.stop()).code, 0, client.output);
    assertEquals((await server.stop()).code, 0, server.output);
  },
});

Deno.test({
  name:
    "the executables run as an unprivileged user by the command lines of the systemd units, with nothing else around",
  ignore,
  async fn() {
    await using stack = new AsyncDisposableStack();
    const web = startWebServer("web");
    stack.defer(() => web.close());
    const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    await Deno.chmod(folder, 0o755);
    const [ctlPort, proxyPort] = freePorts(2);
    const ports = [`ctl_port: ${ctlPort}`, `proxy_port: ${proxyPort}`];
    const files = {
      "server.yaml": ["bind: 127.0.0.1", ...ports, "work_thread_nums: 1"],
      "client.yaml": [
        `cproxy_server: localhost:${ctlPort}`,
        "work_thread_nums: 1",
        `tunnels: [{ name: web, local_server: "${web.address}" }]`,
      ],
      token: [crypto.randomUUID()],
    };
    for (const [name, lines] of Object.entries(files)) {
      // as systemd gives them: readable by the service alone
      await Deno.writeTextFile(`${folder}/${name}`, `${lines.join("\n")}\n`, { mode: 0o400 });
      await asNobody.own(`${folder}/${name}`);
    }
    const start = async (name: typeof PROGRAMS[number], ready: RegExp) => {
      const [, ...args] = serviceUnit(name).command(folder);
      // where nobody may go in
      await Deno.copyFile(executable(name), `${folder}/cproxy-${name}`);
      const env = { CREDENTIALS_DIRECTORY: folder };
      const program = stack.use(new Program(name, asNobody.command([`${folder}/cproxy-${name}`, ...args], env)));
      return { program, found: await program.line(ready) };
    };
    const server = await start("server", /Server is ready/);
    const client = await start("client", /Tunnel is up .*\bpublic=\S+:(\d+)/);
    const signal = AbortSignal.timeout(60_000);
    const { sha256 } = await download(`127.0.0.1:${client.found[1]}`, 1, FILE_BYTES, signal);
    assertEquals(sha256, payloadSha256(1, FILE_BYTES));
    for (const { program } of [client, server]) {
      assertEquals((await program.stop()).code, 0, program.output);
      assert(!/WARN|ERROR/.test(program.output), program.output);
    }
  },
});
