// Address ranges: how a user writes them, how they travel, and which addresses are in them.

import fc from "fast-check";
import { internetAddress, IP_WORDS, readIp } from "../ffi/socket_address.ts";
import { addressRanges, parseAddressRange } from "../core/protocol/address_range.ts";
import { AddressFilter } from "../core/server/policy/address_filter.ts";
import { addressRanges as rangesKind } from "../core/config/ranges.ts";
import { UnexpectedValueError } from "../core/config/config_error.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { clientConfig, clientMistake, serverMistake } from "./support/config_input.ts";

const READ = rangesKind("all").read;
const LOCAL = "--local_server=127.0.0.1:7777";

function wordsOf(ip: string): Int32Array {
  const words = new Int32Array(IP_WORDS);
  readIp(internetAddress(ip, 4711)!.bytes, words);
  return words;
}

function admits(allow: string[], deny: string[], ip: string): boolean {
  return new AddressFilter(addressRanges(allow), addressRanges(deny)).admits(wordsOf(ip));
}

for (
  const [written, kept] of [
    ["192.0.2.7", "192.0.2.7/32"],
    ["192.0.2.0/24", "192.0.2.0/24"],
    ["0.0.0.0/0", "0.0.0.0/0"],
    ["10.128.0.0/9", "10.128.0.0/9"],
    ["::1", "::1/128"],
    ["::/0", "::/0"],
    ["2001:DB8:0:0::/33", "2001:db8::/33"],
    ["::ffff:192.0.2.0/120", "192.0.2.0/24"],
    ["::ffff:c000:207", "192.0.2.7/32"],
    ["::192.0.2.7", "::192.0.2.7/128"],
  ] as const
) {
  Deno.test(`the range ${written} is kept as ${kept}, which the protocol takes`, () => {
    assertEquals(READ(written), [kept]);
    assert(parseAddressRange(kept) !== null);
  });
}

Deno.test("a range whose address has bits behind its prefix is told the right one", () => {
  for (const [text, right] of [["10.1.2.3/8", "10.0.0.0/8"], ["::ffff:0:0/95", "::fffe:0:0/95"]]) {
    const said = assertThrows(() => READ(text), UnexpectedValueError).explanation;
    assertEquals(said, `expected the first address of the range, as in ${right}, got "${text}"`);
  }
});

Deno.test("what is no address range is none, in a configuration and on the wire", () => {
  for (
    const text of [
      ...[
        "",
        "/",
        "/8",
        "10.0.0.0/",
        "10.0.0.0/33",
        "10.0.0.0/-1",
        "10.0.0.0/08",
        "10.0.0.0/8/8",
        "10.0.0.0/255.0.0.0",
      ],
      ...[
        "10.0.0/8",
        "10/8",
        "010.0.0.0/8",
        "0x0a.0.0.0/8",
        "10.0.0.1/8",
        "10.0.0.256/32",
        "localhost/32",
        "10.0.0.0 /8",
      ],
      ...[
        "::/129",
        ":::/0",
        "[::1]/128",
        "fe80::1%lo/128",
        "2001:db8::1/64",
        "::ffff:10.0.0.1/104",
        "12345::/16",
        "1::2::/8",
      ],
    ]
  ) {
    assertThrows(() => READ(text), UnexpectedValueError);
    assertEquals(parseAddressRange(text), null, text);
  }
});

Deno.test("a wrong list is told with its key and what is expected", () => {
  const expected = (word: string) =>
    `expected ${word}, or 1 to 64 addresses and CIDR ranges such as 198.51.100.7, 192.0.2.0/24 or 2001:db8::/32`;
  const files = {
    "a.yaml": "tunnels:\n  - local_server: a:1\n    allow: [10.0.0.0/8, home]",
    "b.yaml": "tunnels:\n  - local_server: a:1\n    deny: []",
    "c.yaml": "public_allow:\n  - 10.0.0.0/8\n  - 7\n",
    "d.yaml": `public_deny: [${Array(65).fill("10.0.0.0/8").join()}]`,
    "e.yaml": "public_deny: {}",
  };
  assertEquals(
    clientMistake(["--config=a.yaml"], { files }),
    `a.yaml:3: tunnels[0].allow: ${expected("all")}, got "home"`,
  );
  assertEquals(
    clientMistake(["--config=b.yaml"], { files }),
    `b.yaml:3: tunnels[0].deny: ${expected("none")}, got an empty list`,
  );
  assertEquals(serverMistake(["--config=c.yaml"], { files }), `c.yaml:1: public_allow: ${expected("all")}, got "7"`);
  assertEquals(
    serverMistake(["--config=d.yaml"], { files }),
    `d.yaml:1: public_deny: ${expected("none")}, got 65 of them`,
  );
  assertEquals(
    serverMistake(["--config=e.yaml"], { files }),
    `e.yaml:1: public_deny: ${expected("none")}, got a mapping`,
  );
  assertEquals(clientMistake([LOCAL, "--allow="]), `--allow: ${expected("all")}, got ""`);
  assertEquals(
    clientMistake([LOCAL, "--deny=10.1.2.3/8"]),
    '--deny: expected the first address of the range, as in 10.0.0.0/8, got "10.1.2.3/8"',
  );
  assertEquals(
    clientMistake(["--deny=10.0.0.0/8"]),
    "--deny: expected --local_server beside it, as in --local_server=127.0.0.1:7777",
  );
});

Deno.test("all and none are the words for having no list", () => {
  const [{ allow, deny }] = clientConfig([LOCAL, "--allow=all", "--deny=none"]).tunnels;
  assertEquals([allow, deny], [[], []]);
});

Deno.test("without lists everybody is admitted", () => {
  assert(admits([], [], "192.0.2.7") && admits([], [], "::1"));
});

Deno.test("with an allow list nobody else is admitted", () => {
  const allow = ["192.0.2.0/24", "2001:db8::/33"];
  for (const ip of ["192.0.2.0", "192.0.2.255", "2001:db8::1", "2001:db8:7fff::1"]) assert(admits(allow, [], ip), ip);
  for (const ip of ["192.0.1.255", "192.0.3.0", "2001:db8:8000::1", "::1", "::192.0.2.1"]) {
    assert(!admits(allow, [], ip), ip);
  }
});

Deno.test("with a deny list only its addresses are refused, and it wins over an allow list", () => {
  const deny = ["192.0.2.7/32", "2001:db8::/32"];
  assert(!admits([], deny, "192.0.2.7") && admits([], deny, "192.0.2.8"));
  assert(!admits(["0.0.0.0/0", "::/0"], deny, "2001:db8::7") && admits(["0.0.0.0/0", "::/0"], deny, "2001:db7::7"));
});

Deno.test("an IPv4 address in the form of IPv6 is the IPv4 address, and no other IPv6 range has it", () => {
  assert(admits(["192.0.2.0/24"], [], "::ffff:192.0.2.1"));
  assert(!admits([], ["192.0.2.0/24"], "::ffff:192.0.2.1"));
  assert(!admits(["::/0"], [], "::ffff:192.0.2.1") && !admits(["::/0"], [], "192.0.2.1"));
  assert(!admits(["0.0.0.0/0"], [], "::1"));
});

Deno.test("a filter admits whom a comparison bit by bit does", () => {
  const bitsOf = (ip: string) => [...wordsOf(ip)].map((word) => (word >>> 0).toString(2).padStart(32, "0")).join("");
  const mapped = bitsOf("0.0.0.0").slice(0, 96);
  const inside = (ip: string, range: string) => {
    const [first, bits] = range.split("/");
    const count = Number(bits) + (first.includes(":") ? 0 : 96);
    return bitsOf(ip).slice(0, count) === bitsOf(first).slice(0, count) &&
      bitsOf(ip).startsWith(mapped) === (bitsOf(first).startsWith(mapped) && count >= 96);
  };
  // few bits differ, so that many addresses are in ranges
  const ip = fc.oneof(
    fc.tuple(fc.nat(3), fc.nat(255)).map(([a, b]) => `192.0.${a}.${b}`),
    fc.tuple(fc.nat(3), fc.nat(255)).map(([a, b]) => `2001:db8:${a.toString(16)}::${b.toString(16)}`),
    fc.nat(255).map((a) => `::ffff:192.0.2.${a}`),
  );
  const range = fc.tuple(ip, fc.nat(128)).map(([ip, cut]) => {
    const width = ip.includes(":") ? 128 : 32;
    for (let bits = Math.max(width - cut, 0); bits < width; bits++) {
      if (parseAddressRange(`${ip}/${bits}`) !== null) return `${ip}/${bits}`;
    }
    return `${ip}/${width}`;
  });
  const ranges = fc.array(range, { maxLength: 5 });
  fc.assert(fc.property(ranges, ranges, ip, (allow, deny, ip) => {
    const some = (list: string[]) => list.some((range) => inside(ip, range));
    assertEquals(admits(allow, deny, ip), !some(deny) && (allow.length === 0 || some(allow)));
  }));
});
