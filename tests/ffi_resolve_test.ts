// Host names by the system's resolver.

import { ResolveError, resolveHost } from "../ffi/resolve.ts";
import { formatAddress, isLoopback, portOf, withPort } from "../ffi/socket_address.ts";
import { assert, assertEquals, assertRejects } from "./support/assert.ts";

Deno.test("a numeric address resolves to itself", async () => {
  assertEquals((await resolveHost("192.0.2.1", 80)).map(formatAddress), ["192.0.2.1:80"]);
  assertEquals((await resolveHost("2001:db8::1", 80)).map(formatAddress), ["[2001:db8::1]:80"]);
});

Deno.test("localhost resolves to addresses of this host, each with the port", async () => {
  const addresses = await resolveHost("localhost", 4711);
  assert(addresses.length > 0);
  for (const address of addresses) assert(isLoopback(address) && portOf(address) === 4711, formatAddress(address));
});

Deno.test("many names resolve at the same time", async () => {
  const all = await Promise.all(Array.from({ length: 20 }, (_, port) => resolveHost("localhost", port)));
  all.forEach((addresses, port) => assertEquals(portOf(addresses[0]), port));
});

Deno.test("a name that is none is an error that names it", async () => {
  const name = `${"x".repeat(64)}.invalid`;
  await assertRejects(() => resolveHost(name, 80), Error, `Cannot resolve "${name}"`);
});

Deno.test("a link-local address keeps its interface, and one that is not there may be there later", async () => {
  const [address] = await resolveHost("fe80::1%lo", 80);
  assertEquals([formatAddress(address), formatAddress(withPort(address, 81))], ["[fe80::1%lo]:80", "[fe80::1%lo]:81"]);
  const { message, answered } = await assertRejects(() => resolveHost("fe80::1%absent0", 80), ResolveError);
  assertEquals([message, answered], ['Cannot resolve "fe80::1%absent0": this host has no such interface', false]);
});
