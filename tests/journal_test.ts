// What the programs write when systemd gives them its journal for a stderr: lines with a priority and without a time.

import { fileIdentity } from "../ffi/file_identity.ts";
import type { Descriptor } from "../ffi/descriptor.ts";
import { assert, assertEquals, assertMatch } from "./support/assert.ts";
import { acceptFrom, listenLocally, soon } from "./support/conns.ts";
import { Program } from "./support/program.ts";
import { startServer } from "./support/starts.ts";
import { toolPath } from "./support/tools.ts";
import { FROM_SOURCE } from "./support/tunnels.ts";

const PORTS = ["--bind=127.0.0.1", "--ctl_port=0", "--proxy_port=0", "--work_thread_nums=1"];

/**
 * Starts a server whose stderr is a socket that systemd would name so, and stops it once it has written `last`; without
 * one it ends by itself.
 *
 * @returns What it has written, and its exit status.
 */
async function journalOf(flags: readonly string[], last: string | null): Promise<{ lines: string[]; code: number }> {
  using listener = listenLocally();
  // systemd.exec(5): device and inode of the socket
  const script = `exec 2<>/dev/tcp/127.0.0.1/${listener.addr.port}
    export JOURNAL_STREAM=$(stat --dereference --format=%d:%i /proc/self/fd/2); exec "$0" "$@"`;
  await using server = new Program("server", [toolPath("bash"), "-c", script, ...FROM_SOURCE.server, ...flags]);
  using journal = await soon("the program opens its stderr", acceptFrom(listener));
  let text = "";
  const decoder = new TextDecoder();
  const room = new Uint8Array(4096);
  while (last === null || !text.includes(last)) {
    const count = await soon(`${last} in ${JSON.stringify(text)}`, journal.read(room));
    if (count === null) break;
    text += decoder.decode(room.subarray(0, count));
  }
  const { code } = await (last === null ? server.end() : server.stop());
  return { lines: text.trimEnd().split("\n"), code };
}

Deno.test("in the journal every line has its priority, and neither time nor level", async () => {
  const { lines, code } = await journalOf(PORTS, "There is no token");
  assertEquals(code, 0);
  assertMatch(lines[0], /^<6>Server is ready ctl=/);
  assertMatch(lines[1], /^<4>There is no token/);
});

Deno.test("in the journal JSON has a priority in front", async () => {
  const { lines } = await journalOf([...PORTS, "--log_format=json"], "There is no token");
  assertMatch(lines[0], /^<6>{"time"/);
  assertEquals(JSON.parse(lines[1].replace(/^<4>/, "")).level, "warning");
});

Deno.test("in the journal a mistake in the settings is an error", async () => {
  const { lines, code } = await journalOf(["--ctl_port=x"], null);
  assertEquals(code, 2);
  for (const line of lines) assertMatch(line, /^<3>/);
});

Deno.test("a program whose stderr is not what JOURNAL_STREAM names writes as without it", async () => {
  const { program } = await startServer([], { JOURNAL_STREAM: "9:1234" });
  await program.stop();
  assertMatch(program.output, /^\d{4}-\S+Z INFO {2}Server is ready/);
});

Deno.test("a file is known by its device and inode", () => {
  const { dev, ino } = Deno.statSync("/proc/self/fd/0");
  assertEquals(fileIdentity(0 as Descriptor), `${dev}:${ino}`);
  assert(fileIdentity(-1 as Descriptor) === null);
});
