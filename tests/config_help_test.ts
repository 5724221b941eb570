// --help and --version.

import { CLIENT_PROGRAM, loadClientConfig } from "../core/config/client_config.ts";
import { loadServerConfig, SERVER_PROGRAM } from "../core/config/server_config.ts";
import { VERSION } from "../core/config/help.ts";
import { assert, assertEquals, assertStringIncludes } from "./support/assert.ts";
import { clientConfig, serverConfig } from "./support/config_input.ts";
import { settingsTable } from "./support/settings_table.ts";
import project from "../deno.json" with { type: "json" };

const NOTHING = { get: () => undefined };
const PROGRAMS = [[SERVER_PROGRAM, loadServerConfig], [CLIENT_PROGRAM, loadClientConfig]] as const;

function noFile(path: string): string {
  throw new Error(`Unexpected read of "${path}"`);
}

Deno.test("the version is the one in deno.json", () => assertEquals(VERSION, project.version));

for (const [program, load] of PROGRAMS) {
  const flags = [
    "config",
    ...Object.keys(program.settings),
    ...Object.keys(program.list?.asFlags ? program.list.settings : {}),
  ];

  Deno.test(`${program.name} --version prints its name and version`, () => {
    assertEquals(load(["--version"], NOTHING, noFile), { kind: "version", text: `${program.name} ${VERSION}` });
  });

  Deno.test(`${program.name} --help explains every flag with its default and an example`, () => {
    const help = load(["--help"], NOTHING, noFile);
    assert(help.kind === "help");
    for (const flag of flags) {
      const part = help.text.split(`\n  --${flag}=`)[1]?.split("\n  --")[0] ?? "";
      assertStringIncludes(part, "Default: ", `--${flag}`);
      assertStringIncludes(part, `Example: --${flag}=`, `--${flag}`);
    }
    assertStringIncludes(help.text, "\n  --help, -h\n");
    assertStringIncludes(help.text, "\n  --version, -v\n");
  });

  Deno.test(`${program.name} --help fits a terminal of 120 columns`, () => {
    const help = load(["--help"], NOTHING, noFile);
    assert(help.kind === "help");
    for (const line of help.text.split("\n")) assert(line.length <= 120, line);
  });

  Deno.test(`${program.name} --help is printed beside wrong flags too`, () => {
    assertEquals(load(["--nonsense", "--help", "x"], NOTHING, noFile).kind, "help");
  });

  Deno.test(`${program.name} has a row for every flag in the manual's table`, () => {
    const table = settingsTable(program);
    for (const flag of flags) assertStringIncludes(table, `| \`--${flag}=`);
    for (const line of table.split("\n")) assertEquals(line.replaceAll("\\|", "").split("|").length, 7, line);
  });
}

Deno.test("every example in the help is a value that the flag takes", () => {
  for (const [flag, setting] of Object.entries(SERVER_PROGRAM.settings)) {
    const files = { [setting.example]: "token" };
    serverConfig([`--${flag}=${setting.example}`], { files });
  }
  const client = { ...CLIENT_PROGRAM.settings, ...CLIENT_PROGRAM.list?.settings };
  for (const [flag, setting] of Object.entries(client)) {
    const local = flag === "local_server" ? [] : ["--local_server=a:1"];
    clientConfig([...local, `--${flag}=${setting.example}`], { files: { [setting.example]: "token" } });
  }
});
