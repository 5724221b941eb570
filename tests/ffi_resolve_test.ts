// Host names by the system's resolver.

import { resolveHost } from "../ffi/resolve.ts";
import { formatAddress, isLoopback, portOf } from "../ffi/socket_address.ts";
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
