// Where the token comes from, and that no message shows it.

import { ConfigError } from "../core/config/config_error.ts";
import { loadServerConfig } from "../core/config/server_config.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "./support/assert.ts";
import { clientMistake, serverConfig, serverMistake } from "./support/config_input.ts";

const FILES = {
  "flag.token": "of the flag's file\n",
  "etc/yaml.token": "of the YAML's file\r\n\n",
  "etc/a.yaml": "token: of the YAML",
  "etc/b.yaml": "token_file: yaml.token",
  "etc/c.yaml": "token_file: /run/absolute.token",
  "/run/absolute.token": "of the absolute path",
};

Deno.test("the token is taken from the first place that has one", () => {
  const env = { CPROXY_TOKEN: "of the environment" };
  const all = ["--token=of the flag", "--token_file=flag.token", "--config=etc/a.yaml"];
  const tokens = [
    serverConfig([all[0], all[2]], { env, files: FILES }).token,
    serverConfig(all.slice(1), { env, files: FILES }).token,
    serverConfig(all.slice(2), { env, files: FILES }).token,
    serverConfig(all.slice(2), { files: FILES }).token,
    serverConfig(["--config=etc/b.yaml"], { files: FILES }).token,
    serverConfig([]).token,
  ];
  const expected = ["of the flag", "of the flag's file", "of the environment", "of the YAML", "of the YAML's file"];
  assertEquals(tokens, [...expected, null]);
});

Deno.test("a token and a token_file in the same place are refused, also where the file is not there", () => {
  const files = {
    a: "token: t\ntoken_file: absent",
    b: "tokens:\n- name: a\n  token: t\n  token_file: absent",
  };
  const said = "expected token or token_file, got both";
  assertEquals(serverMistake(["--config=a"], { files }), `a:2: token_file: ${said}`);
  assertEquals(serverMistake(["--config=b"], { files }), `b:4: tokens[0].token_file: ${said}`);
  assertEquals(serverMistake(["--token=t", "--token_file=absent"]), `--token_file: ${said}`);
  assertEquals(clientMistake(["--local_server=a:1", "--token=t", "--token_file=absent"]), `--token_file: ${said}`);
  // what stands in another place is overruled, and not read
  assertEquals(serverConfig(["--token=x", "--config=c"], { files: { c: "token_file: absent" } }).token, "x");
});

Deno.test("a token that looks like a variable is warned about, wherever it stands, and is not shown", () => {
  const files = { f: "$TOKEN\n", a: "token: ${S3cret}", b: 'tokens: [{name: a, token: "{{ S3cret }}"}]' };
  const warned = (args: string[], env: Record<string, string> = {}) => {
    const loaded = loadServerConfig(args, { get: (name) => env[name] }, (path) => files[path as keyof typeof files]);
    assert(loaded.kind === "run");
    return loaded.warnings.map(({ message, fields }) => {
      assertStringIncludes(message, "looks like a variable");
      return fields.setting;
    }).join();
  };
  assertEquals(warned(["--token=${S3cret:-x}"]), "--token");
  assertEquals(warned(["--token_file=f"]), "--token_file");
  assertEquals(warned([], { CPROXY_TOKEN: "%S3cret%" }), "CPROXY_TOKEN");
  assertEquals(warned(["--config=a"]), "a:1: token");
  assertEquals(warned(["--config=b"]), "b:1: tokens[0].token");
  for (const token of ["a$b", "$", "100%", "{a}", "$a-b", "pa$$word"]) assertEquals(warned([`--token=${token}`]), "");
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

/** The token that the server gets when a text stands in each of the places where one can stand, or what it says instead. */
function everywhere(text: string): (string | null)[] {
  // as escapes, without which YAML has its own words for what one cannot see
  const quoted = JSON.stringify(text).replace(
    /[^ -~]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
  const files = {
    token: text,
    "a.yaml": `token: ${quoted}`,
    "b.yaml": "token_file: token",
    "c.yaml": `tokens: [{name: a, token: ${quoted}}]`,
    "d.yaml": "tokens: [{name: a, token_file: token}]",
  };
  const options = [
    [[`--token=${text}`], {}],
    [["--token_file=token"], {}],
    [[], { CPROXY_TOKEN: text }],
    ...["a", "b", "c", "d"].map((name) => [[`--config=${name}.yaml`], {}] as const),
  ] as const;
  return options.map(([args, env]) => {
    try {
      const { token, tokens } = serverConfig([...args], { env, files });
      return token ?? tokens[0].token;
    } catch (error) {
      assert(error instanceof ConfigError, String(error));
      return error.message.replace(/^.*?: (?=expected)/, "");
    }
  });
}

Deno.test("white space, line breaks and a byte order mark around a token are no part of it, wherever it stands", () => {
  for (const text of ["abc\n", "\ufeffabc", " abc", "abc \t", "abc\r\n\n", "\u00a0abc\u00a0"]) {
    assertEquals(everywhere(text), Array(7).fill("abc"), JSON.stringify(text));
  }
  assertEquals(everywhere(" correct horse battery "), Array(7).fill("correct horse battery"));
});

Deno.test("a token with what one cannot see, or with what its place needed, is refused by name, wherever it stands", () => {
  const refused: [string, string][] = [
    ["abc\ndef", "expected a token on one line, got 2 lines"],
    ["abc\r\ndef\r\nghi\r\n", "expected a token on one line, got 3 lines"],
    ["abc\rdef", "expected a token on one line, got 2 lines"],
    ["ab\tc", "expected a token of characters that one can see, got a tab in it"],
    ["ab\u00a0c", "expected a token of characters that one can see, got a no-break space (U+00A0) in it"],
    ["ab\ufeffc", "expected a token of characters that one can see, got a byte order mark (U+FEFF) in it"],
    ["ab\u200bc", "expected a token of characters that one can see, got U+200B in it"],
    ["abc\u2028", "abc"],
    ["ab\u0007c", "expected a token of characters that one can see, got U+0007 in it"],
    ['"abc"', "expected a token without quotes, got one in quotes"],
    ["'abc'\n", "expected a token without quotes, got one in quotes"],
    ["\u201cabc\u201d", "expected a token without quotes, got one in quotes"],
    ["CPROXY_TOKEN=abc\n", "expected the token alone, got CPROXY_TOKEN= in front of it"],
    ["export CPROXY_TOKEN='abc'", "expected the token alone, got CPROXY_TOKEN= in front of it"],
    ["\ufeff", "expected a token of 1 to 1024 bytes, got an empty one"],
  ];
  for (const [text, said] of refused) {
    assertEquals(everywhere(text), Array(7).fill(said), JSON.stringify(text));
  }
});

Deno.test("a token of a block in YAML is the line that is in it", () => {
  const read = (text: string) => serverConfig(["--config=x"], { files: { x: text } }).token;
  assertEquals([read("token: |\n  abc\n"), read("token: >\n  abc\n\n"), read("token: |-\n  abc")], [
    "abc",
    "abc",
    "abc",
  ]);
  assertEquals(
    serverMistake(["--config=x"], { files: { x: "token: |\n  abc\n  def\n" } }),
    "x:1: token: expected a token on one line, got 2 lines",
  );
});

Deno.test("the files with a token are known, also files that another place wins over", () => {
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
