// Configuration files. An input is the text of one. Only a ConfigError in one line may come out, which names a line that
// the file has; an accepted file has no key that is not a setting.

import { CLIENT_PROGRAM, loadClientConfig } from "../../../core/config/client_config.ts";
import { ConfigError } from "../../../core/config/config_error.ts";
import type { Program } from "../../../core/config/help.ts";
import type { SettingsTable } from "../../../core/config/setting.ts";
import { loadServerConfig, SERVER_PROGRAM } from "../../../core/config/server_config.ts";
import { plainOf, YamlTree } from "../../../core/config/yaml_tree.ts";
import type { Random } from "../../support/random.ts";
import { oneOf } from "../mutation.ts";
import { SETTING_WORDS, settingText } from "../setting_texts.ts";
import { bug, expectCleanPrototypes, expectOneLine, type Target } from "../target.ts";
import { expectSound } from "./command_lines.ts";

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A token that must not be shown in an error, wherever it stands as one. */
const SECRET = "Se5cr1et";

const BOMB = `a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]
e: &e [*d, *d, *d, *d, *d, *d, *d, *d, *d]
f: &f [*e, *e, *e, *e, *e, *e, *e, *e, *e]
g: &g [*f, *f, *f, *f, *f, *f, *f, *f, *f]
tunnels: *g
`;

const VALUES = [
  "~",
  "null",
  "true",
  "yes",
  ".inf",
  "-.inf",
  ".nan",
  "-0",
  "0x10",
  "0o17",
  "0b1",
  "1_000",
  "1e400",
  "1:30",
  "2026-01-01",
  '"\\0"',
  '"\\x7f\\u202e\\U0001F600"',
  '"unclosed',
  "'it''s'",
  "|\n  text\n  more",
  ">-\n  text\n\n  more",
  "!!str 1",
  "!!int 1",
  "!!binary aGk=",
  "!!js/function x",
  "!!set {a, b}",
  "!!omap [a: 1]",
  "!!pairs [a: 1]",
  "!!python/object x",
  "!<tag:x> 1",
  "!",
  "&a [*a]",
  "&a {b: *a}",
  "*a",
  "&a",
  "[]",
  "{}",
  "[[], {}]",
  "{__proto__: {polluted: 1}}",
  "{<<: {a: 1}}",
  "? a\n: b",
  "[".repeat(200),
  "[".repeat(200) + "]".repeat(200),
  "{a: ".repeat(200),
  "- ".repeat(200),
];

const LINES = [
  "__proto__: {polluted: 1}",
  "constructor: {prototype: {polluted: 1}}",
  "toString: 1",
  "<<: {bind: 127.0.0.1}",
  "? bind\n: 127.0.0.1",
  "---",
  "...",
  "%YAML 1.2",
  "%TAG ! tag:x,2000:",
  "# comment",
  "",
  "\tbind: x",
  "\u00a0bind: x",
  "bind: [\n]",
  "bind: x #y",
  "   bind: x",
  "- x",
  "bind : 1",
  '"bind": 127.0.0.1',
  "'bind': 127.0.0.1",
  "{bind: 127.0.0.1}",
  `token: ${SECRET}`,
  `tokens:\n  - name: a\n    token: ${SECRET}`,
  `unknown: x`,
  `tunnels: [${"{local_server: 1.2.3.4:5}, ".repeat(30)}]`,
  BOMB,
];

const WORDS = [
  ...[
    ...VALUES,
    ...LINES,
    "\n",
    "\r\n",
    ": ",
    "- ",
    "  ",
    " ",
    "\t",
    "#",
    "&a ",
    "*a",
    "\ufeff",
    '"',
    "'",
    "<",
    "@",
    "`",
  ]
    .map((word) => encoder.encode(word)),
  ...SETTING_WORDS,
];

function yamlOf(random: Random, program: Program): string {
  // half of them are such as people write
  const odd = random.chance(0.5);
  const value = (settings: SettingsTable, key: string) => {
    if (!odd) return settings[key].example;
    return random.chance(0.9) ? settingText(random, settings, key) : oneOf(random, VALUES);
  };
  // a file that is named in this one does not exist
  const keys = Object.keys(program.settings).filter((key) => key !== "token_file" && random.chance(0.3));
  const lines = keys.map((key) => `${key}: ${value(program.settings, key)}`);
  while (odd && random.chance(0.4)) lines.splice(random.between(0, lines.length), 0, oneOf(random, LINES));
  const { list } = program;
  if (list !== null && random.chance(list.asFlags ? 0.95 : 0.4)) {
    lines.push(`${list.key}:`);
    for (let i = random.between(0, 3); i >= 0; i--) {
      const members = Object.keys(list.settings).filter((key) => random.chance(key === "token_file" ? 0.02 : 0.9));
      lines.push(...members.map((key, j) => {
        const text = value(list.settings, key);
        // no two entries may have the same name, token or port
        const other = /^(name|token)$/.test(key)
          ? `${text}${i}`
          : key === "remote_port"
          ? text.replace(/0$/, `${i}`)
          : text;
        return `  ${j === 0 ? "-" : " "} ${key}: ${other}`;
      }));
    }
  }
  return lines.join(random.chance(0.95) ? "\n" : "\r\n") + "\n";
}

/** Whether the one thing that an error may show of this text is the token. */
function tokenStandsAlone(text: string): boolean {
  return text.split("\n").every((line) =>
    /^ *token: Se5cr1et$/.test(line) ||
    (/^ *(?:- )?[a-z_]+: ?[\w.:/-]*$|^$/.test(line) && !line.includes(SECRET))
  );
}

function expectKnownKeys(text: string, { settings, list }: Program): void {
  const file = plainOf(new YamlTree("fuzz.yaml", text).root) as Record<string, unknown>;
  const expectIn = (key: string, table: SettingsTable) => {
    if (!Object.hasOwn(table, key)) bug(`Accepted with an unknown key ${JSON.stringify(key)}`);
  };
  for (const key of Object.keys(file)) {
    if (key !== list?.key) expectIn(key, settings);
    else {for (const entry of file[key] as object[]) {
        for (const name of Object.keys(entry)) expectIn(name, list.settings);
      }}
  }
}

type Load = typeof loadServerConfig | typeof loadClientConfig;

function yamlFiles(name: string, program: Program, load: Load): Target {
  return {
    name,
    share: 3,
    longest: 65_536,
    words: WORDS,
    valid: (random) => encoder.encode(yamlOf(random, program)),
    accepts(input) {
      const text = decoder.decode(input);
      const readFile = (path: string) => {
        if (path === "fuzz.yaml") return text;
        throw new Deno.errors.NotFound("No such file or directory (os error 2): open 'x'");
      };
      try {
        const loaded = load(["--config=fuzz.yaml"], { get: () => undefined }, readFile);
        expectCleanPrototypes();
        if (loaded.kind === "run") expectSound(loaded.config);
        expectKnownKeys(text, program);
        return true;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expectCleanPrototypes();
        expectOneLine(error.message, 1000);
        if (error.message.includes(SECRET) && tokenStandsAlone(text)) bug(`The token is shown: ${error.message}`);
        const line = /^fuzz\.yaml:(\d+)/.exec(error.message)?.[1];
        // the parser may complain about the end, which is the line after the last
        if (Number(line ?? 1) > text.split(/\r\n|\r|\n/).length + 1) bug(`No such line: ${error.message}`);
        return false;
      }
    },
  };
}

/** The server's file. */
export const serverYaml: Target = yamlFiles("server_yaml", SERVER_PROGRAM, loadServerConfig);

/** The client's file. */
export const clientYaml: Target = yamlFiles("client_yaml", CLIENT_PROGRAM, loadClientConfig);
