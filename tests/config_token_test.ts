// Where the token comes from, and that no message shows it.

import { ConfigError } from "../core/config/config_error.ts";
import { loadServerConfig } from "../core/config/server_config.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "./support/assert.ts";
import { serverConfig, serverMistake } from "./support/config_input.ts";

const FILES = {
  "flag.token": "of the flag's file\n",
  "etc/yaml.token": "of the YAML's file\r\n\n",
  "etc/a.yaml": "token: of the YAML\ntoken_file: yaml.token",
  "etc/b.yaml": "token_file: yaml.token",
  "etc/c.yaml": "token_file: /run/absolute.token",
  "/run/absolute.token": "of the absolute path",
};

Deno.test("the token is taken from the first place that has one", () => {
  const env = { CPROXY_TOKEN: "of the environment" };
  const all = ["--token=of the flag", "--token_file=flag.token", "--config=etc/a.yaml"];
  const tokens = [
    serverConfig(all, { env, files: FILES }).token,
    serverConfig(all.slice(1), { env, files: FILES }).token,
    serverConfig(all.slice(2), { env, files: FILES }).token,
    serverConfig(all.slice(2), { files: FILES }).token,
    serverConfig(["--config=etc/b.yaml"], { files: FILES }).token,
    serverConfig([]).token,
  ];
  const expected = ["of the flag", "of the flag's file", "of the environment", "of the YAML", "of the YAML's file"];
  assertEquals(tokens, [...expected, null]);
});

Deno.test("an absolute token_file in YAML is taken as it is", () => {
  assertEquals(serverConfig(["--config=etc/c.yaml"], { files: FILES }).token, "of the absolute path");
});

Deno.test("an empty token is a mistake, wherever it stands", () => {
  const files = { empty: "\n", "a.yaml": 'token: ""', "b.yaml": "\ntoken_file: empty", "c.yaml": "token:" };
  const got = "expected a token of 1 to 1024 bytes, got an empty one";
  assertEquals(serverMistake(["--token="]), `--token: ${got}`);
  assertEquals(serverMistake(["--token", " "]), `--token: ${got}`);
  assertEquals(serverMistake(["--token_file=empty"], { files }), `--token_file: ${got}`);
  assertEquals(serverMistake([], { env: { CPROXY_TOKEN: "" } }), `CPROXY_TOKEN: ${got}`);
  assertEquals(serverMistake(["--config=a.yaml"], { files }), `a.yaml:1: token: ${got}`);
  assertEquals(serverMistake(["--config=b.yaml"], { files }), `b.yaml:2: token_file: ${got}`);
  assertStringIncludes(serverMistake(["--config=c.yaml"], { files }), "c.yaml:1: token: expected a token");
});

Deno.test("a token may have 1024 bytes and not 1025", () => {
  const longest = "é".repeat(512);
  assertEquals(serverConfig([`--token=${longest}`]).token, longest);
  assertEquals(serverMistake([`--token=${longest}a`]), "--token: expected a token of 1 to 1024 bytes, got 1025 bytes");
});

Deno.test("a token that is no text is a mistake, which does not show it", () => {
  const files = { binary: "S3cret\ufffd", "a.yaml": 'token: "\ufffd"' };
  const got = "expected a token of text in UTF-8, got other bytes";
  assertEquals(serverMistake(["--token_file=binary"], { files }), `--token_file: ${got}`);
  assertEquals(serverMistake(["--token=\ufffd"]), `--token: ${got}`);
  assertEquals(serverMistake(["--config=a.yaml"], { files }), `a.yaml:1: token: ${got}`);
  const env = {
    get(): never {
      throw new Deno.errors.InvalidData('environment variable was not valid unicode: "S3cret\\xFF"');
    },
  };
  assertEquals(assertThrows(() => loadServerConfig([], env, () => ""), ConfigError).message, `CPROXY_TOKEN: ${got}`);
});

Deno.test("the files that have a token in them are known, also those that another place wins over", () => {
  const filesOf = (args: string[], env: Record<string, string> = {}) => {
    const loaded = loadServerConfig(args, { get: (name) => env[name] }, (path) => FILES[path as keyof typeof FILES]);
    assert(loaded.kind === "run");
    return loaded.secretFiles;
  };
  assertEquals(filesOf(["--config=etc/a.yaml"], { CPROXY_TOKEN: "x" }), ["etc/a.yaml"]);
  assertEquals(filesOf(["--config=etc/a.yaml", "--token_file=flag.token"]), ["etc/a.yaml", "flag.token"]);
  assertEquals(filesOf(["--config=etc/b.yaml"]), ["etc/yaml.token"]);
  assertEquals(filesOf(["--token=x"]), []);
});

Deno.test("a token file that is missing is told with its setting", () => {
  const files = { "etc/a.yaml": "bind: localhost\ntoken_file: nope" };
  assertEquals(serverMistake(["--token_file=no"]), '--token_file: cannot read "no": No such file or directory');
  assertEquals(
    serverMistake(["--config=etc/a.yaml"], { files }),
    'etc/a.yaml:2: token_file: cannot read "etc/nope": No such file or directory',
  );
});

Deno.test("no message shows a token", () => {
  const secret = "S3cret";
  const files = {
    "a.yaml": `token: [${secret}]`,
    "b.yaml": `token: {x: ${secret}}`,
    "c.yaml": `token: *${secret}`,
    "d.yaml": `token: "${secret}`,
    "e.yaml": `token: ${secret}: ${secret}`,
    "f.yaml": `tokn: ${secret}`,
    "g.yaml": secret,
    "h.yaml": `token: !${secret} x`,
    "i.yaml": `token: ${secret.repeat(1000)}`,
    "j.yaml": `token: ${secret}\nctl_port: x`,
  };
  const messages = [
    ...Object.keys(files).map((path) => serverMistake([`--config=${path}`], { files })),
    serverMistake([`--tokn=${secret}`]),
    serverMistake(["--tokn", secret]),
    serverMistake([`-token=${secret}`]),
    serverMistake(["--token", "two", secret]),
    serverMistake([`--token=${secret}`, `--token=${secret}`]),
    serverMistake([`--token=${secret.repeat(1000)}`]),
    serverMistake([], { env: { CPROXY_TOKEN: secret.repeat(1000) } }),
  ];
  for (const message of messages) assert(!message.includes(secret), message);
});
