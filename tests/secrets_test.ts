// Secrets: no output of the programs has one, whatever happens, and files that are open to others are told.

import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, soon } from "./support/conns.ts";
import type { Program } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";

const SERVER_TOKEN = "the-servers-Secret";
const CLIENT_TOKEN = "another-Secret";

/** All that anybody else can learn of a running program: what it writes, and its command line. */
function shownBy({ pid, output }: Program): string {
  return output + Deno.readTextFileSync(`/proc/${pid}/cmdline`);
}

/** The warnings of a program about files. */
function warnings({ output }: Program): string[] {
  return output.split("\n").filter((line) => line.includes("Other users may"));
}

Deno.test("no log of any level and no command line has a token in it, through logins that succeed and that fail", async () => {
  await using stack = new AsyncDisposableStack();
  const folder = stack.adopt(Deno.makeTempDirSync(), (path) => Deno.removeSync(path, { recursive: true }));
  const listener = stack.adopt(listenLocally(), (listener) => listener.close());
  const [closed, open, yaml] = ["closed", "open", "server.yaml"].map((name) => `${folder}/${name}`);
  Deno.writeTextFileSync(yaml, `token: ${SERVER_TOKEN}\n`, { mode: 0o640 });
  Deno.writeTextFileSync(closed, SERVER_TOKEN, { mode: 0o600 });
  Deno.writeTextFileSync(open, CLIENT_TOKEN);
  Deno.chmodSync(open, 0o602);

  const all = "--log_level=debug";
  const server = stack.use(await startServer([all, `--config=${yaml}`]));
  const local = `--local_server=${addressOf(listener)}`;
  const right = stack.use(startClient(server.ctlPort, [all, local, `--token_file=${closed}`]));
  const wrong = stack.use(startClient(server.ctlPort, [all, "--log_format=json", local, `--token_file=${open}`]));
  const none = stack.use(startClient(server.ctlPort, [all, local], { CPROXY_TOKEN: CLIENT_TOKEN }));
  const visitor = stack.adopt(await connectTo(await publicAddress(right)), (conn) => conn.close());
  for (const client of [wrong, none]) await client.line(/is not the server's/);
  (await soon("the visitor arrives", acceptFrom(listener))).close();
  await soon("the session ends", visitor.read(new Uint8Array(1)));
  await server.program.line(/ DEBUG Visitor has come/);
  for (const program of [server.program, right]) program.kill("SIGUSR2");
  await server.program.line(/Login has failed/);
  await right.line(/Counters/);

  for (const program of [server.program, right, wrong, none]) {
    const shown = shownBy(program);
    for (const token of [SERVER_TOKEN, CLIENT_TOKEN]) assert(!shown.includes(token), shown);
  }

  assertMatch(warnings(server.program).join("\n"), new RegExp(`^\\S+ WARN .* file=${yaml} mode=0640 right=0600$`));
  assertMatch(warnings(wrong).join("\n"), new RegExp(`^.*"file":"${open}","mode":"0602","right":"0600"}$`));
  assertEquals([...warnings(right), ...warnings(none)], []);
});
