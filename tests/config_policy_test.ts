// The server's named tokens in YAML: what they may say, and what is said about wrong ones.

import { formatPortRanges, portRanges } from "../core/config/ranges.ts";
import { UnexpectedValueError } from "../core/config/config_error.ts";
import { loadServerConfig } from "../core/config/server_config.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { serverConfig, serverMistake } from "./support/config_input.ts";

const SECRET = "S3cret";

Deno.test("named tokens stand beside the one that has no name", () => {
  const files = { "x.yaml": "token: t\ntokens:\n- {name: a, token: b}\n- {name: c, token_file: d}", d: "e\n" };
  const { token, tokens } = serverConfig(["--config=x.yaml"], { files });
  assertEquals([token, ...tokens.map(({ name, token }) => `${name} ${token}`)], ["t", "a b", "c e"]);
});

Deno.test("the token files of a list are looked for beside their YAML file", () => {
  const files = {
    "etc/x.yaml": "tokens: [{name: a, token_file: t}, {name: b, token_file: /t}]",
    "etc/t": "1",
    "/t": "2",
  };
  assertEquals(serverConfig(["--config=etc/x.yaml"], { files }).tokens.map(({ token }) => token), ["1", "2"]);
});

Deno.test("the files of named tokens are known as files that others should not read", () => {
  const files: Record<string, string> = {
    x: "tokens: [{name: a, token_file: t}]",
    y: "tokens: [{name: a, token: t}]",
    t: "1",
  };
  const filesOf = (path: string) => {
    const loaded = loadServerConfig([`--config=${path}`], { get: () => undefined }, (path) => files[path]);
    assert(loaded.kind === "run");
    return loaded.secretFiles;
  };
  assertEquals([filesOf("x"), filesOf("y")], [["t"], ["y"]]);
});

Deno.test("without a public_bind, public ports are opened where the others are", () => {
  assertEquals(serverConfig(["--bind=127.0.0.2"]).publicBind, "127.0.0.2");
  assertEquals(serverConfig(["--bind=127.0.0.2", "--public_bind=127.0.0.3"]).publicBind, "127.0.0.3");
});

Deno.test("ports are written one by one or in ranges, and put in order", () => {
  const written: [unknown, string][] = [
    ["80", "80"],
    ["1-65535", "1-65535"],
    [["8000", "8000-8010", " 8005 - 8020 ", "9000"], "8000-8020, 9000"],
    [["9000", "8001-8002", "8000"], "8000-8002, 9000"],
    [["5-9", "6-7"], "5-9"],
  ];
  for (const [value, ports] of written) assertEquals(formatPortRanges(portRanges.read(value)), ports);
});

Deno.test("what is no port and no range is refused", () => {
  const wrong = [
    80,
    "0",
    "65536",
    "080",
    "10-5",
    "1-2-3",
    "-5",
    "5-",
    "a",
    "",
    "80.5",
    "-1",
    null,
    true,
    [],
    [["80"]],
    [{}],
    ["80-", "1"],
    "1,2",
  ];
  for (const value of wrong) {
    assertThrows(() => portRanges.read(value), UnexpectedValueError, "xpected ports from 1 to 65535");
  }
});

const PORTS = "expected ports from 1 to 65535 and ranges of them, as in [8000-8010, 9000]";
const NAME = 'expected a name of 1 to 64 letters, digits, ".", "_" or "-"';
const A = `tokens:\n- name: a\n  token: ${SECRET}\n`;

const MISTAKES: [string, string, string][] = [
  ["a list that is none", "tokens: a", "x.yaml:1: tokens: expected a list, got text"],
  ["an empty list", "tokens: []", "x.yaml:1: tokens: expected a token, got an empty list"],
  ["a token without a name", `tokens:\n- token: ${SECRET}`, `x.yaml:2: tokens[0].name: ${NAME}, got nothing`],
  ["a name with blanks", `tokens:\n- {name: a b, token: t}`, `x.yaml:2: tokens[0].name: ${NAME}, got "a b"`],
  ["an entry without a token", `${A}- name: b`, "x.yaml:4: tokens[1].token: expected token or token_file, got neither"],
  [
    "an entry with two tokens",
    `${A}  token_file: t`,
    "x.yaml:4: tokens[0].token_file: expected token or token_file, got both",
  ],
  [
    "a name used twice",
    `${A}- name: a\n  token: t`,
    'x.yaml:4: tokens[1].name: expected a name that no other token has, got "a" again',
  ],
  [
    "a token used twice",
    `${A}- name: b\n  token: ${SECRET}`,
    "x.yaml:5: tokens[1].token: expected a token that is no other's",
  ],
  [
    "a token that is also the one without a name",
    `token: ${SECRET}\n${A}`,
    "x.yaml:4: tokens[0].token: expected a token that is no other's",
  ],
  [
    "a token from a file used twice",
    `${A}- name: b\n  token_file: same`,
    "x.yaml:5: tokens[1].token_file: expected a token that is no other's",
  ],
  [
    "an empty token",
    'tokens:\n- name: a\n  token: ""',
    "x.yaml:3: tokens[0].token: expected a token of 1 to 1024 bytes, got an empty one",
  ],
  [
    "a token file that is missing",
    "tokens:\n- name: a\n  token_file: nope",
    'x.yaml:3: tokens[0].token_file: cannot read "nope": No such file or directory',
  ],
  ["ports that are none", `${A}  ports: [http]`, `x.yaml:4: tokens[0].ports: ${PORTS}, got "http"`],
  ["a range upside down", `${A}  ports: [9-8]`, `x.yaml:4: tokens[0].ports: ${PORTS}, got "9-8"`],
  ["no ports at all", `${A}  ports: []`, `x.yaml:4: tokens[0].ports: ${PORTS}, got an empty list`],
  [
    "a number of tunnels that is none",
    `${A}  max_tunnels: many`,
    'x.yaml:4: tokens[0].max_tunnels: expected a whole number from 0 to 65535, got "many"',
  ],
  [
    "a limit of no connections",
    `${A}  max_connections: 0`,
    'x.yaml:4: tokens[0].max_connections: expected a whole number from 1 to 10000000, got "0"',
  ],
  [
    "the same per tunnel",
    `${A}  max_connections_per_tunnel: 0`,
    'x.yaml:4: tokens[0].max_connections_per_tunnel: expected a whole number from 1 to 10000000, got "0"',
  ],
  [
    "an address that is none",
    `${A}  public_bind: "a b"`,
    'x.yaml:4: tokens[0].public_bind: expected an IPv4 address, an IPv6 address or a host name, got "a b"',
  ],
  ["a key that is like one", `${A}  port: 1`, "x.yaml:4: tokens[0].port: unknown key, did you mean ports"],
];

for (const [what, text, message] of MISTAKES) {
  Deno.test(`the server is told about ${what} in its list of tokens`, () => {
    assertEquals(serverMistake(["--config=x.yaml"], { files: { "x.yaml": text, same: SECRET } }), message);
  });
}

Deno.test("a list has 256 tokens and not 257", () => {
  const list = (count: number) =>
    `tokens:\n${Array.from({ length: count }, (_, i) => `- {name: n${i}, token: t${i}}\n`).join("")}`;
  assertEquals(serverConfig(["--config=x"], { files: { x: list(256) } }).tokens.length, 256);
  assertEquals(
    serverMistake(["--config=x"], { files: { x: list(257) } }),
    "x:1: tokens: expected at most 256 tokens, got 257",
  );
});

Deno.test("no message about a list of tokens shows a token", () => {
  const texts = [
    `tokens: ${SECRET}`,
    `tokens: [${SECRET}]`,
    "tokens: 5432154321",
    "tokens: [5432154321]",
    "5432154321",
    `tokens: [{name: a, token: [${SECRET}]}]`,
    `tokens: [{name: a, token: ${SECRET}, prots: 1}]`,
    `tokens: [{name: a, tokn: ${SECRET}}]`,
    `tokens: [{name: a, token: ${SECRET}}, {name: b, token: ${SECRET}}]`,
    `tokens: [{name: a, token: ${SECRET.repeat(1000)}}]`,
    `tokens: {name: a, token: ${SECRET}}`,
  ];
  for (const text of texts) {
    const said = serverMistake(["--config=x"], { files: { x: text } });
    assert(!said.includes(SECRET) && !said.includes("54321"), said);
  }
});
