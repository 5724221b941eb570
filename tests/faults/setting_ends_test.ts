// Whatever a setting accepts, the programs survive: both run with every setting at an end of its range, and serve a visit.

import { CLIENT_PROGRAM } from "../../core/config/client_config.ts";
import { SERVER_PROGRAM } from "../../core/config/server_config.ts";
import type { SettingsTable } from "../../core/config/setting.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { connectTo, readExactly, writeAll } from "../support/conns.ts";
import { Echo } from "../support/echo.ts";
import { Program } from "../support/program.ts";
import { randomFrom, seedOfRun } from "../support/random.ts";
import { endsOf } from "../support/setting_ends.ts";
import { FROM_SOURCE } from "../support/tunnels.ts";

/** Which of the ends something gets. */
type Choose = (ends: readonly string[]) => string;

const random = randomFrom(seedOfRun());
const either: Choose = (ends) => ends[random.between(0, ends.length - 1)];
const ROUNDS: readonly [string, Choose][] = [
  ["the lowest", (ends) => ends[0]],
  ["the highest", (ends) => ends.at(-1)!],
  ["one of both", either],
];

/** What a visit needs right, and what every entry of a list has differently. */
const CHOSEN_HERE = [
  ...["bind", "public_bind", "ctl_port", "proxy_port", "public_allow", "public_deny", "token", "token_file", "name"],
  ...["ports", "max_tunnels", "cproxy_server", "proxy_server"],
];

/** Lines of YAML with the settings of a table at their ends. */
function linesOf(settings: SettingsTable, choose: Choose): string[] {
  const keys = Object.keys(settings).filter((key) => !CHOSEN_HERE.includes(key));
  // of both heartbeats the same end, because one must be longer than the other
  const end = choose(["0", "1"]);
  return keys.map((key) => {
    const ends = endsOf(settings, key).inside;
    return `${key}: ${key.startsWith("heartbeat_") ? ends[Number(end)] : choose(ends)}`;
  });
}

/** An entry of a list in YAML. */
const entry = (members: readonly string[]) => `  - ${members.join("\n    ")}`;

function serverYaml(choose: Choose, token: string): string {
  const ends = (key: string) => endsOf(SERVER_PROGRAM.settings, key).inside;
  const high = choose(["", "high"]) !== "";
  return [
    ...linesOf(SERVER_PROGRAM.settings, choose),
    `bind: "${choose(["127.0.0.1", "::"])}"`,
    `ctl_port: ${high ? 65_535 : 0}`,
    `proxy_port: ${high ? 65_535 : 0}`,
    `public_allow: [${ends("public_allow")[0]}]`,
    `public_deny: [${ends("public_deny").at(-1)}]`,
    "tokens:",
    entry([
      "name: a",
      `token: ${token}`,
      `max_tunnels: ${choose(["2", "65535"])}`,
      `ports: ${choose(["1-65535", "[1-2, 65533, 40000-50000]"])}`,
      ...linesOf(SERVER_PROGRAM.list!.settings, choose),
    ]),
    entry([`name: ${"n".repeat(64)}`, "token: refused", "max_tunnels: 0"]),
    ...Array.from({ length: high ? 254 : 0 }, (_, i) => entry([`name: n${i}`, `token: t${i}`])),
  ].join("\n");
}

function clientYaml(choose: Choose, ports: string[], token: string, localServer: string, threads: string): string {
  const { settings, list } = CLIENT_PROGRAM;
  return [
    // the log is read here, and the third program needs no more threads than two have
    ...linesOf(settings, choose).filter((line) => !/^(?:log_|work_)/.test(line)),
    `work_thread_nums: ${threads}`,
    `cproxy_server: 127.0.0.1:${ports[0]}`,
    // advertise_proxy_port is at one of its ends
    `proxy_server: 127.0.0.1:${ports[1]}`,
    `token: ${token}`,
    "tunnels:",
    entry([`name: works`, `local_server: ${localServer}`, `remote_port: ${choose(["0", "65533"])}`]),
    entry([`name: ${"n".repeat(64)}`, `local_server: ${choose(endsOf(list!.settings, "local_server").inside)}`]),
  ].join("\n");
}

/** Whether a visitor gets back what it sends: a link that is lost every 100 ms may lose a visit. */
async function isServed(address: string): Promise<boolean> {
  try {
    using visitor = await connectTo(address);
    await writeAll(visitor, Uint8Array.of(7));
    return (await readExactly(visitor, 1))[0] === 7;
  } catch {
    return false;
  }
}

for (const [what, choose] of ROUNDS) {
  Deno.test(`both programs serve a visit when each setting has ${what} of its ends`, async () => {
    await using stack = new AsyncDisposableStack();
    const folder = stack.adopt(await Deno.makeTempDir(), (path) => Deno.remove(path, { recursive: true }));
    const echo = stack.use(new Echo());
    const start = async (side: "server" | "client", number: number, yaml: string) => {
      const path = `${folder}/${side}-${number}.yaml`;
      await Deno.writeTextFile(path, yaml, { mode: 0o600 });
      return stack.use(new Program(side, [...FROM_SOURCE[side], `--config=${path}`]));
    };
    const token = choose(endsOf(SERVER_PROGRAM.settings, "token").inside);
    // a level without the line that names the ports
    const yaml = serverYaml(choose, token).replace(/^log_level: .*$/m, `log_level: ${choose(["debug", "info"])}`);
    const server = await start("server", 0, yaml);
    const [ready] = await server.line(/Server is ready\b.*/, 60_000);
    const ports = ["ctl", "proxy"].map((key) => new RegExp(`\\b${key}(?:=|":")[^ "]*:(\\d+)`).exec(ready)![1]);
    const threads = choose(endsOf(CLIENT_PROGRAM.settings, "work_thread_nums").inside);
    const clients = [[token, threads], ["refused", "1"]].map(([token, threads], number) =>
      start("client", number, clientYaml(choose, ports, token, echo.address, threads))
    );
    const [client, refused] = await Promise.all(clients);

    const [, port] = await client.line(/Tunnel is up .*\bname=works .*\bpublic=\S*:(\d+)/, 60_000);
    const deadline = performance.now() + 30_000;
    // there is nothing to wait for between two visits
    while (!(await isServed(`127.0.0.1:${port}`))) {
      assert(performance.now() < deadline, `No visit is served:\n${client.output}\n${server.output}\n${yaml}`);
    }
    await refused.line(/Tunnel is refused/, 30_000);
    for (const program of [client, refused, server]) {
      const { code } = await program.stop();
      assertEquals(code, 0, `${program.output}\n${yaml}`);
    }
  });
}
