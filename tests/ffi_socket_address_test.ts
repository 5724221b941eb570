// Addresses in the kernel's layout: from text and back, ports, and what counts as this host.

import fc from "fast-check";
import {
  Family,
  formatAddress,
  internetAddress,
  IP_WORDS,
  ipOf,
  isLoopback,
  portOf,
  readIp,
  unixAddress,
  withPort,
} from "../ffi/socket_address.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";

for (
  const [ip, family, text] of [
    ["127.0.0.1", Family.INET, "127.0.0.1:8080"],
    ["0.0.0.0", Family.INET, "0.0.0.0:8080"],
    ["::1", Family.INET6, "[::1]:8080"],
    ["2001:db8:0:0::7", Family.INET6, "[2001:db8::7]:8080"],
    ["::ffff:192.0.2.1", Family.INET6, "192.0.2.1:8080"],
  ] as const
) {
  Deno.test(`${ip} with a port is written as ${text}`, () => {
    const address = internetAddress(ip, 8080)!;
    assertEquals([address.family, formatAddress(address), portOf(address)], [family, text, 8080]);
  });
}

Deno.test("what is no numeric address is none", () => {
  for (const text of ["", "localhost", "127.0.0", "127.0.0.256", "1.2.3.4.5", "[::1]", ":::", "12345::", "::1%lo"]) {
    assertEquals(internetAddress(text, 1), null, text);
  }
});

Deno.test("the structures have the kernel's sizes and byte order", () => {
  const v4 = internetAddress("1.2.3.4", 0x1234)!.bytes;
  assertEquals([...v4.subarray(2)], [0x12, 0x34, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0]);
  assertEquals([v4.length, internetAddress("::1", 1)!.bytes.length], [16, 28]);
  const unix = unixAddress("/a").bytes;
  assertEquals([...unix.subarray(2)], [0x2f, 0x61, 0]);
});

Deno.test("any IPv4 address and port come back the same", () => {
  fc.assert(fc.property(fc.ipV4(), fc.nat(65535), (ip, port) => {
    const address = internetAddress(ip, port)!;
    assertEquals([ipOf(address), portOf(address)], [ip, port]);
  }));
});

Deno.test("any IPv6 address and port come back as the same address", () => {
  fc.assert(fc.property(fc.ipV6(), fc.nat(65535), (ip, port) => {
    const words = [0, 1].map(() => new Int32Array(IP_WORDS));
    const address = internetAddress(ip, port)!;
    const again = internetAddress(ipOf(address), portOf(address))!;
    // IPv4 in its IPv6 form comes back as IPv4
    [address, again].forEach(({ bytes }, at) => readIp(bytes, words[at]));
    assertEquals([words[1], portOf(again)], [words[0], port]);
  }));
});

Deno.test("another port on the same address leaves the first one alone", () => {
  for (const ip of ["192.0.2.1", "2001:db8::1"]) {
    const address = internetAddress(ip, 1)!;
    const other = withPort(address, 65535);
    assertEquals([ipOf(other), portOf(other), portOf(address)], [ip, 65535, 1]);
  }
});

Deno.test("a unix socket has a path of 1 to 107 bytes, no port and no IP", () => {
  const address = unixAddress("/run/app.sock");
  assertEquals([formatAddress(address), portOf(address), ipOf(address)], ["unix:/run/app.sock", 0, ""]);
  assertEquals(formatAddress(unixAddress("ä".repeat(53))), `unix:${"ä".repeat(53)}`);
  unixAddress("x".repeat(107));
  for (const path of ["", "x".repeat(108), "ä".repeat(54)]) {
    assertThrows(() => unixAddress(path), RangeError, `Cannot use the socket path "${path}"`);
  }
});

Deno.test("an abstract unix socket is a zero and a name, as long as it is", () => {
  const address = unixAddress("@app");
  assertEquals([...address.bytes.subarray(2)], [0, ...new TextEncoder().encode("app")]);
  assertEquals([formatAddress(address), portOf(address), ipOf(address)], ["unix:@app", 0, ""]);
});

Deno.test("this host is 127.0.0.0/8, ::1, what of it is mapped into IPv6, and unix sockets", () => {
  for (const ip of ["127.0.0.1", "127.255.255.254", "::1", "::ffff:127.0.0.1", "::ffff:127.9.9.9"]) {
    assert(isLoopback(internetAddress(ip, 1)!), ip);
  }
  for (const ip of ["128.0.0.1", "126.0.0.1", "0.0.0.0", "::", "::2", "1::1", "::127.0.0.1", "::ffff:128.0.0.1"]) {
    assert(!isLoopback(internetAddress(ip, 1)!), ip);
  }
  assert(isLoopback(unixAddress("/run/app.sock")));
});
