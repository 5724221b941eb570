// The systemd units of examples/: what they start is a command line that the programs take, with files that are there.

import { loadClientConfig } from "../core/config/client_config.ts";
import { loadServerConfig } from "../core/config/server_config.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { type ServiceUnit, serviceUnit, UNIT_FOLDER } from "./support/service_unit.ts";
import { ignoreWithout, runTool, toolPath } from "./support/tools.ts";

const example = (name: string) => Deno.readTextFileSync(new URL(`../examples/${name}`, import.meta.url));

const PROGRAMS = [
  { name: "server", load: loadServerConfig },
  { name: "client", load: loadClientConfig },
] as const;

/** The whole number of seconds of a setting. */
function secondsOf(unit: ServiceUnit, key: string): number {
  const [value] = unit.values(key);
  assert(/^\d+$/.test(value), `${key}=${value}`);
  return Number(value);
}

for (const { name, load } of PROGRAMS) {
  Deno.test(`the unit of the ${name} starts it with flags that it takes, and with credentials that it is given`, () => {
    const unit = serviceUnit(name);
    const [program, ...args] = unit.command("/credentials");
    assertEquals(program, `/usr/local/bin/cproxy-${name}`);
    const credentials = unit.credentials();
    assertEquals([...credentials.keys()], [`${name}.yaml`, "token"]);
    const read: string[] = [];
    const loaded = load(args, { get: () => undefined }, (path) => {
      read.push(path);
      if (path === "/credentials/token") return "a token";
      assertEquals(path, `/credentials/${name}.yaml`);
      return example(`${name}.yaml`);
    });
    assert(loaded.kind === "run");
    assertEquals(loaded.config.token, "a token");
    // nothing else is given to the service, and it is given nothing that it does not read
    assertEquals(read, [...credentials.keys()].map((credential) => `/credentials/${credential}`));
    assert(secondsOf(unit, "TimeoutStopSec") * 1000 > loaded.config.drainTimeoutMs + 5000);
  });

  Deno.test({
    name: `systemd finds nothing wrong with the unit of the ${name}, and what is open to it is little`,
    ignore: ignoreWithout("systemd-analyze"),
    async fn() {
      const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
      try {
        const path = `${folder}/cproxy-${name}.service`;
        // systemd looks whether the program is there
        await Deno.writeTextFile(
          path,
          example(`cproxy-${name}.service`).replace(/\/usr\/local\/bin\/\S+/, "/bin/true"),
        );
        const args = ["verify", "--man=no", path];
        const { stderr } = await new Deno.Command(toolPath("systemd-analyze"), { args, stdin: "null" }).output();
        // it loads what the unit names as well, and tells what is wrong with the host's own units
        const lines = new TextDecoder().decode(stderr).split("\n");
        assertEquals(lines.filter((line) => line.includes("cproxy")), []);
        const report = await runTool("systemd-analyze", ["security", "--offline=true", "--no-pager", path], 20_000);
        const exposure = Number(/exposure level for \S+: ([\d.]+)/.exec(report)?.[1]);
        assert(exposure <= 1.5, `The exposure is ${exposure}:\n${report}`);
      } finally {
        await Deno.remove(folder, { recursive: true });
      }
    },
  });
}

Deno.test("several tokens are given to the server as the header of its unit says", () => {
  const header = example("cproxy-server.service").split("\n\n")[0];
  const entry = /^# +(- \{.*\})$/m.exec(header)?.[1];
  const credential = /^# +LoadCredential=([^:]+):/m.exec(header)?.[1];
  const loaded = loadServerConfig(["--config=/credentials/server.yaml"], { get: () => undefined }, (path) => {
    if (path === `/credentials/${credential}`) return "her token";
    assertEquals(path, "/credentials/server.yaml");
    return `${example("server.yaml")}\ntokens:\n  ${entry}\n`;
  });
  assert(loaded.kind === "run");
  assertEquals([loaded.config.token, ...loaded.config.tokens.map(({ token }) => token)], [null, "her token"]);
});

Deno.test("both units are in examples/, and no other", () => {
  const units = [...Deno.readDirSync(UNIT_FOLDER)].map(({ name }) => name).filter((name) => name.endsWith(".service"));
  assertEquals(units.sort(), PROGRAMS.map(({ name }) => `cproxy-${name}.service`).sort());
});
