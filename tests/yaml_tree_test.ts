// YAML as the programs read it: what stands there is what is meant, or the file is refused with the line to mend.

import { plainOf, YamlTree } from "../core/config/yaml_tree.ts";
import { assertEquals, assertStringIncludes } from "./support/assert.ts";
import { clientConfig, clientMistake, serverConfig, serverMistake } from "./support/config_input.ts";

/** What a text is read as. */
const read = (text: string) => plainOf(new YamlTree("x", text).root);
/** What the server says about a file. */
const mistake = (text: string) => serverMistake(["--config=x"], { files: { x: text } });

Deno.test("a scalar is the text that stands there", () => {
  for (
    const text of [
      "0100",
      "0100000",
      "02222",
      "0o17",
      "0x10",
      "1e3",
      "1_000",
      "+4",
      "4.0",
      "12:30",
      "1:2:3",
      "on",
      "off",
    ]
      .concat([
        "yes",
        "no",
        "True",
        "y",
        ".inf",
        ".nan",
        "2026-01-01",
        "2026-01-01T00:00:00Z",
        "a#b",
        "8000-8010",
        "-5",
      ])
  ) assertEquals(read(`k: ${text}`), { k: text });
});

Deno.test("numbers are read in one way only: 010 is neither 8 nor 10", () => {
  for (const text of ["0100", "0100000", "0x10", "0o17", "1e3", "1_000", "+4", "4.0", "-5", "12:30", "on", ".inf"]) {
    assertStringIncludes(mistake(`max_connections: ${text}`), `got "${text}"`);
    assertStringIncludes(serverMistake([`--max_connections=${text}`]), `got "${text}"`);
    assertStringIncludes(mistake(`ctl_port: ${text}`), "x:1: ctl_port: expected a port");
    assertStringIncludes(mistake(`bind: a\ndrain_timeout: ${text === "4.0" ? "04" : text}`), "x:2: drain_timeout: ");
    assertStringIncludes(mistake(`tokens: [{name: a, token: b, ports: [${text}]}]`), "x:1: tokens[0].ports: expected");
  }
});

Deno.test("names and tokens that look like numbers, dates or yes are these letters", () => {
  for (const text of ["080", "1e3", "on", "true", "0x10", "2026-01-01", "1_000"]) {
    const files = { x: `token: ${text}\ntokens: [{name: ${text}, token: "t"}]` };
    const { token, tokens } = serverConfig(["--config=x"], { files });
    assertEquals([token, tokens[0].name], [text, text]);
  }
});

Deno.test("nothing is nothing, however YAML spells it, and a word in quotes is a word", () => {
  for (const text of ["", "~", "null", "Null", "NULL"]) {
    assertEquals(mistake(`bind: a\nctl_port: ${text}`), "x:2: ctl_port: expected a port from 0 to 65535, got nothing");
    assertStringIncludes(mistake(`bind: ${text}`), "x:1: bind: expected an IPv4 address");
    assertStringIncludes(mistake(`token: ${text}`), "x:1: token: expected a token");
  }
  assertEquals(serverConfig(["--config=x"], { files: { x: 'token: "null"' } }).token, "null");
});

Deno.test("a byte order mark, line breaks of Windows, an ending and a start mark change nothing", () => {
  const files = { x: "\ufeff---\r\nbind: a # comment\r\n\r\n# tab:\t\r\n\t\r\nctl_port: 9 \r\n...\r\n" };
  const { bind, ctlPort } = serverConfig(["--config=x"], { files });
  assertEquals([bind, ctlPort], ["a", 9]);
  assertEquals(mistake("\ufeffbind: a\r\nctl_port: x\r\n").slice(0, 13), "x:2: ctl_port");
  assertEquals(mistake("bind: a\rctl_port: x\r").slice(0, 13), "x:2: ctl_port");
});

Deno.test("a list in brackets may end below the key that it belongs to", () => {
  assertEquals(read("a: [\n  1,\n  2,\n]\nb:\n  c: {\n    d: 1\n  }\n"), { a: ["1", "2"], b: { c: { d: "1" } } });
  assertEquals(read("- [\n]\n- |\n  ]\n  }"), [[], "]\n}"]);
});

Deno.test("a text in a block ends without the line break that an editor puts there", () => {
  for (const sign of ["|", "|+", ">", "|-"]) {
    assertEquals(serverConfig(["--config=x"], { files: { x: `token: ${sign}\n  abc\n\n` } }).token, "abc");
  }
});

const REFUSED: [string, string, string][] = [
  [
    "a tab in front of a key",
    "tokens:\n- name: a\n\ttoken: x",
    "x:3: expected spaces at the start of the line, got a tab",
  ],
  [
    "a tab behind spaces",
    "tokens:\n- name: a\n  \ttoken: x",
    "x:3: expected spaces at the start of the line, got a tab",
  ],
  ["a tab in front of the first key", "\tbind: a", "x:1: expected spaces at the start of the line, got a tab"],
  [
    "a no-break space in an indentation",
    "tokens:\n- name: a\n\u00a0\u00a0token: x",
    "x:3: expected characters that one can see, got a no-break space (U+00A0)",
  ],
  [
    "a no-break space behind a colon",
    "bind:\u00a0a",
    "x:1: expected characters that one can see, got a no-break space (U+00A0)",
  ],
  ["a blank without width", "bind: a\u200b", "x:1: expected characters that one can see, got U+200B"],
  [
    "a byte order mark in the middle",
    "bind: a\n\ufeffctl_port: 1",
    "x:2: expected characters that one can see, got a byte order mark (U+FEFF)",
  ],
  [
    "a line break that only some see",
    "bind: a\u2028ctl_port: 1",
    "x:1: expected characters that one can see, got U+2028",
  ],
  [
    "a merge key",
    "bind: a\n<<: {ctl_port: 1}",
    "x:2: expected the keys themselves, got a merge key (<<), which is not read",
  ],
  ["a key twice", "bind: a\nbind: b", "x:2: bind: expected once, got again what line 1 has"],
  [
    "a key of a list's entry twice",
    "tokens:\n- name: a\n  token: x\n  name: b",
    "x:4: tokens[0].name: expected once, got again what line 2 has",
  ],
  ["two documents", "bind: a\n---\nctl_port: 1", "x:2: expected one document, got a second one behind ---"],
  ["two documents with marks", "---\nbind: a\n---\nbind: b", "x:3: expected one document, got a second one behind ---"],
  ["a directive", "%YAML 1.1\n---\nbind: a", "x:1: expected no line that begins with %"],
  [
    "an anchor",
    "bind: a\ntoken: &abc",
    "x:2: token: expected the value itself, in quotes if it begins with & (anchors are not read)",
  ],
  [
    "an anchor of a list",
    "public_deny: &x [10.0.0.0/8]",
    "x:1: public_deny: expected the value itself, in quotes if it begins with & (anchors are not read)",
  ],
  [
    "an alias",
    "token: *abc",
    "x:1: token: expected the value itself, in quotes if it begins with * (aliases are not read)",
  ],
  [
    "a tag",
    "bind: a\nctl_port: !!int 1",
    "x:2: ctl_port: expected the value itself, in quotes if it begins with ! (tags are not read)",
  ],
  [
    "a token that begins with !",
    "token: !abc",
    "x:1: token: expected the value itself, in quotes if it begins with ! (tags are not read)",
  ],
  [
    "a value that goes on",
    "token: abc\n  def\nbind: a",
    "x:1: token: expected a value on one line, got one that goes on in line 2",
  ],
  [
    "a value in quotes that goes on",
    'bind: a\ntoken: "abc\n  def"',
    "x:2: token: expected a value on one line, got one that goes on in line 3",
  ],
  [
    "a folded value of two lines",
    "bind: a\ntoken: >\n  abc\n  def",
    "x:3: token: expected a value on one line, got one that goes on in line 4",
  ],
  [
    "a quote that is not closed",
    'token: "abc\nbind: a',
    "x:2: expected a quote at the end of the value in the line before (expected YAML)",
  ],
  [
    "a colon without a blank in braces",
    "tokens:\n  - {name:a, token: b}",
    "x:2: tokens[0]: expected a blank behind the colon",
  ],
  [
    "a token that begins with #",
    "token: #abc",
    "x:1: token: expected quotes around a value with a # in it, or a blank after the # of a comment",
  ],
  [
    "a token with a # in it",
    "bind: a\ntoken: abc #1",
    "x:2: token: expected quotes around a value with a # in it, or a blank after the # of a comment",
  ],
  [
    "an IPv6 address without quotes",
    "bind: a\npublic_bind: ::",
    'x:2: expected quotes around an IPv6 address, as in "[::1]:3000" (expected YAML)',
  ],
  [
    "an IPv6 address in a list",
    "public_deny: [fe80::, ::1]",
    'x:1: public_deny[0]: expected quotes around an IPv6 address, as in "::1"',
  ],
  [
    "a value with a colon and a blank",
    "token: a: b",
    'x:1: expected quotes around a value with ": " in it or a special character in front (expected YAML)',
  ],
  [
    "a value in backquotes",
    "bind: a\ntoken: `a`",
    'x:2: expected quotes around a value with ": " in it or a special character in front (expected YAML)',
  ],
  [
    "a key that is too far to the right",
    "bind: a\n  ctl_port: 1",
    "x:2: expected the same indentation as that of the entry before (expected YAML)",
  ],
  [
    "a colon without a blank",
    "bind:a",
    'x:1: expected keys with values, as in "bind: \u2026", got text without a blank behind a colon',
  ],
  [
    "a colon without a blank in front of another key",
    "tokens:\n- name:a\n  token: b",
    "x:3: expected a blank behind the colon in the line before (expected YAML)",
  ],
  ["a hyphen without a blank", "-name: a", "x:1: -name: unknown key, expected a blank behind the hyphen"],
  ["a list as a key", "? [a]\n: b", "x:1: expected a key in front of the colon"],
  ["a key that is missing", ": b", "x:1: expected a key in front of the colon"],
];

for (const [what, text, said] of REFUSED) {
  Deno.test(`${what} is refused with its line, and what to write`, () => assertEquals(mistake(text), said));
}

Deno.test("a word alone is text, and has no colon to complain about", () => {
  assertEquals(mistake("bind"), 'x:1: expected keys with values, as in "bind: \u2026", got text');
});

Deno.test("a service at an IPv6 address is told to be written in quotes", () => {
  for (const entry of ["  - local_server: [::1]:3000", "  - {name: a, local_server: [::1]:3000}"]) {
    assertEquals(
      clientMistake(["--config=x"], { files: { x: `tunnels:\n${entry}` } }),
      'x:2: expected quotes around an IPv6 address, as in "[::1]:3000" (expected YAML)',
    );
  }
  const files = { x: 'tunnels:\n  - local_server: "[::1]:3000"\n    allow: [::1, 2001:db8::/32]' };
  assertEquals(clientConfig(["--config=x"], { files }).tunnels[0].allow, ["::1/128", "2001:db8::/32"]);
});

Deno.test("a place is found in every usual way to write a list", () => {
  const places = (text: string, ...paths: (string | number)[][]) => {
    const tree = new YamlTree("x", text);
    return paths.map((path) => tree.placeOf(path).split(":")[1]).join();
  };
  const indented = "a: 1\nlist:\n  - x: 1\n    y: 2\n  -\n    y: 3\n# y: 4\n\n  - z: 5\n    y: 6\nend: 7\n";
  assertEquals(places(indented, ["list", 0, "y"], ["list", 1, "y"], ["list", 2, "y"], ["end"]), "4,6,10,11");
  const flush = "list:\n- y: 1\n- x: 1\n  y: 2\r\nend: 7\n";
  assertEquals(places(flush, ["list", 0, "y"], ["list", 1, "y"], ["list", 1, "gone"], ["end"]), "2,4,3,5");
  assertEquals(places("a: 1\nlist: [{y: 1}, {y: 2}]\n", ["list", 1, "y"], []), "2,1");
});

Deno.test("a file that the YAML reader cannot cope with is told in one line that shows none of it", () => {
  for (
    const [text, said] of [
      ["[".repeat(12_000), "x:1: nesting exceeded maxDepth (20) (expected YAML)"],
      ["bind: [a\nb: c", "x:2: expected more blanks in front of what a bracket has opened (expected YAML)"],
      ['token: !^se5cr1et"\u0007c', "x:1: expected characters that one can see, got U+0007"],
      ["token: !<se5cr1et", "x:1: unexpected end of the stream within a verbatim tag (expected YAML)"],
      ["token: !se5cr1et!x y", "x:1: undeclared tag handle (expected YAML)"],
      ['token: "se5cr1et', "x:1: unexpected end of the stream within a double quoted scalar (expected YAML)"],
    ] as const
  ) assertEquals(mistake(text), said);
});

Deno.test("a long file is read in no time", () => {
  // with a search that tries every way to divide the blanks this would take minutes
  assertStringIncludes(mistake(`zzzz: |\n  a${" ".repeat(300_000)}\n`), "x:1: zzzz: unknown key");
  assertStringIncludes(mistake(`bind: a\n${"# comment\n".repeat(50_000)}zzzz: 1`), "x:50002: zzzz: unknown key");
  assertStringIncludes(
    mistake(`tokens:\n${"- {name: a, token: b}\n".repeat(20_000)}`),
    "x:1: tokens: expected at most",
  );
});
