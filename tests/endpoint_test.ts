// Addresses as users write them.

import { UnexpectedValueError } from "../core/config/config_error.ts";
import { type Endpoint, formatEndpoint, parseEndpoint, parseHost, parsePort } from "../core/config/endpoint.ts";
import { assertEquals, assertStringIncludes, assertThrows } from "./support/assert.ts";

const RIGHT: [string, Endpoint][] = [
  ["127.0.0.1:80", { kind: "tcp", host: "127.0.0.1", port: 80 }],
  ["[::1]:80", { kind: "tcp", host: "::1", port: 80 }],
  ["[2001:db8::ffff:1.2.3.4]:65535", { kind: "tcp", host: "2001:db8::ffff:1.2.3.4", port: 65535 }],
  ["[fe80::1%eth0]:80", { kind: "tcp", host: "fe80::1%eth0", port: 80 }],
  ["localhost:1", { kind: "tcp", host: "localhost", port: 1 }],
  ["my_service.name-2.example:8080", { kind: "tcp", host: "my_service.name-2.example", port: 8080 }],
  ["name.example.:8080", { kind: "tcp", host: "name.example.", port: 8080 }],
  ["unix:/run/app.sock", { kind: "unix", path: "/run/app.sock" }],
  ["unix:@cproxy/app", { kind: "unix", path: "@cproxy/app" }],
  ["unix:/run/a:b.sock", { kind: "unix", path: "/run/a:b.sock" }],
];

for (const [text, endpoint] of RIGHT) {
  Deno.test(`${text} is an endpoint, and is written back the same`, () => {
    assertEquals(parseEndpoint(text, { allowUnix: true }), endpoint);
    assertEquals(formatEndpoint(endpoint), text);
  });
}

const WRONG = [
  "",
  ":",
  ":80",
  "80",
  "localhost",
  "localhost:",
  "localhost:0",
  "localhost:65536",
  "localhost:http",
  "localhost:080",
  "localhost: 80",
  "local host:80",
  "http://localhost:80",
  "localhost:80/",
  "::1:80",
  "[::1]",
  "[::1]80",
  "[::g]:80",
  "[]:80",
  "[1.2.3.4]:80",
  "[localhost]:80",
  "1.2.3:80",
  "256.1.1.1:80",
  "1.2.3.4.5:80",
  "01.2.3.4:80",
  "1.2.3.4.:80",
  "-name:80",
  "name-:80",
  "a..b:80",
  ".a:80",
  `${"a".repeat(64)}.example:80`,
  `${"a.".repeat(127)}ab:80`,
  "\u00ad.example:80",
  "\uff11\uff12\uff17.0.0.1:80",
  "b\u00fccher..example:80",
  "localhost:80\n",
  "local\0host:80",
  "localhost:1e3",
  "localhost:-1",
  "localhost:+1",
  "unix:",
  "unix:@",
  "unix:a\0b",
];

for (const text of WRONG) {
  Deno.test(`${JSON.stringify(text).slice(0, 60)} is no endpoint, and the error says what would be right`, () => {
    const error = assertThrows(() => parseEndpoint(text, { allowUnix: true }), UnexpectedValueError);
    assertStringIncludes(error.message, text.startsWith("unix:") ? "unix:/path/to.sock" : "127.0.0.1:7777");
    assertEquals(error.message.split("\n").length, 1);
  });
}

Deno.test("an IPv6 address without brackets is answered with the advice to use brackets", () => {
  assertThrows(() => parseEndpoint("2001:db8::1:80", { allowUnix: false }), UnexpectedValueError, "IPv6 in brackets");
});

Deno.test("a Unix socket is refused where only TCP is possible", () => {
  assertThrows(() => parseEndpoint("unix:/a", { allowUnix: false }), UnexpectedValueError, "no Unix socket here");
});

Deno.test("the path of a Unix socket may have 107 bytes and not 108", () => {
  const path = `/${"é".repeat(53)}`;
  assertEquals(parseEndpoint(`unix:${path}`, { allowUnix: true }), { kind: "unix", path });
  const error = assertThrows(() => parseEndpoint(`unix:${path}b`, { allowUnix: true }), UnexpectedValueError);
  assertStringIncludes(error.message, "at most 107 bytes, got 108 bytes");
});

Deno.test("a home directory in the path of a Unix socket is not taken for a folder with this name", () => {
  for (const path of ["~/app.sock", "~", "~user/app.sock"]) {
    assertThrows(() => parseEndpoint(`unix:${path}`, { allowUnix: true }), UnexpectedValueError, "~ is not expanded");
  }
});

Deno.test("an international name is asked for in the form that name servers have", () => {
  const name = "xn--bcher-kva.example";
  for (const text of ["b\u00fccher.example", "B\u00dcCHER.example", "bu\u0308cher.example", name]) {
    assertEquals(parseEndpoint(`${text}:80`, { allowUnix: false }), { kind: "tcp", host: name, port: 80 });
    assertEquals(parseHost(text), name);
  }
});

Deno.test("a port goes from 0 or 1 to 65535", () => {
  assertEquals([parsePort("0", 0), parsePort("65535", 1)], [0, 65535]);
  assertThrows(() => parsePort("0", 1), UnexpectedValueError, 'Expected a port from 1 to 65535, got "0"');
  assertThrows(() => parsePort("65536", 0), UnexpectedValueError, 'Expected a port from 0 to 65535, got "65536"');
  assertThrows(() => parsePort("80.5", 0), UnexpectedValueError, 'got "80.5"');
});

Deno.test("a link-local address needs its interface, and no other one has one", () => {
  assertEquals(["fe80::1%eth0", "[febf::1%2]"].map(parseHost), ["fe80::1%eth0", "febf::1%2"]);
  const needs = "Expected a link-local address with its interface, such as FE80::1%eth0, got";
  assertThrows(() => parseHost("FE80::1"), UnexpectedValueError, needs);
  assertThrows(() => parseEndpoint("[FE80::1]:80", { allowUnix: true }), UnexpectedValueError, needs);
  assertThrows(() => parseHost("::1%lo"), UnexpectedValueError, "Expected ::1 without an interface");
  for (const text of ["fe80::1%", "fe80::1%a b", "fe80::1%a/b", "fe80::1%sixteen_letters_", "127.0.0.1%lo", "%lo"]) {
    assertThrows(() => parseHost(text), UnexpectedValueError, "Expected an IPv4 address");
  }
});

Deno.test("an address to listen on is IPv4, IPv6 with or without brackets, or a name", () => {
  const hosts = ["0.0.0.0", "::", "[::]", "[2001:db8::1]", "localhost"].map(parseHost);
  assertEquals(hosts, ["0.0.0.0", "::", "::", "2001:db8::1", "localhost"]);
  for (const text of ["", "0.0.0.0:80", "[0.0.0.0]", "[::", "300.1.1.1", "a b"]) {
    assertThrows(
      () => parseHost(text),
      UnexpectedValueError,
      "Expected an IPv4 address, an IPv6 address or a host name",
    );
  }
});
