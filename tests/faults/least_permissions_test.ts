// The command lines of docs/security.md that run the programs from source with the least permissions.

import { assert, assertEquals } from "../support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon, writeAll } from "../support/conns.ts";
import { Program } from "../support/program.ts";

const ROOT = new URL("../../", import.meta.url).pathname;
const PAGE = Deno.readTextFileSync(`${ROOT}docs/security.md`);

/** What the page says to run, with the paths of this tree. */
function command(name: "server" | "client", token: string): string[] {
  const line = new RegExp(`^ +deno (run .*) ${name}\\.ts `, "m").exec(PAGE);
  assert(line !== null, `No command line of the ${name}`);
  const flags = line[1].replace("/etc/cproxy", token).replaceAll("/opt/cproxy/", ROOT).split(" ");
  return [Deno.execPath(), ...flags, `${ROOT}${name}.ts`, `--token_file=${token}/token`, "--work_thread_nums=1"];
}

Deno.test("from source the programs need no permission beyond the ones on the page", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(Deno.makeTempDirSync(), (path) => Deno.removeSync(path, { recursive: true }));
  Deno.writeTextFileSync(`${folder}/token`, crypto.randomUUID(), { mode: 0o600 });
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());

  const any = ["--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0"];
  const server = stack.use(new Program("server", [...command("server", folder), ...any]));
  const [, ctl] = await server.line(/Server is ready ctl=\S+:(\d+)/);
  const to = [
    `--cproxy_server=localhost:${ctl}`,
    `--local_server=${addressOf(listener).replace("127.0.0.1", "localhost")}`,
  ];
  const client = stack.use(new Program("client", [...command("client", folder), ...to]));
  const [, address] = await client.line(/Tunnel is up .*\bpublic=(\S+)/);

  const [visitor, service] = await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
  await writeAll(visitor, new Uint8Array([7]));
  assertEquals(await soon("a byte arrives", readExactly(service, 1)), new Uint8Array([7]));
  visitor.close();
  service.close();
  for (const program of [client, server]) {
    program.kill("SIGUSR2");
    await program.line(/Counters/);
    assertEquals((await program.stop()).code, 0, program.output);
  }
});
