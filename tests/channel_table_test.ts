// A loop's channels by descriptor: in their places on many pages, and none found by what was said of another one.

import type { Descriptor } from "../ffi/descriptor.ts";
import { ChannelTable } from "../core/reactor/channel_table.ts";
import { assertEquals } from "./support/assert.ts";

const at = (fd: number) => fd as Descriptor;

Deno.test("channels are found at the edges of pages and far away, and in their order", () => {
  const table = new ChannelTable<string>();
  const places = [0, 511, 512, 1023, 1024, 999_999];
  assertEquals([...table], []);
  for (const fd of places.toReversed()) table.set(at(fd), `channel ${fd}`);
  assertEquals([...table], places.map((fd) => `channel ${fd}`));
  assertEquals(places.map((fd) => table.at(at(fd))), [...table]);
  assertEquals([1, 513, 500_000, 2_000_000].map((fd) => table.at(at(fd))), [null, null, null, null]);
});

Deno.test("a generation finds its own channel and none after it", () => {
  const table = new ChannelTable<string>();
  const fd = at(600);
  const first = table.generation(fd);
  table.set(fd, "first");
  assertEquals(table.of(fd, first), "first");
  table.clear(fd);
  assertEquals([table.at(fd), table.of(fd, first), table.of(fd, table.generation(fd))], [null, null, null]);
  table.set(fd, "second");
  assertEquals([table.of(fd, first), table.of(fd, table.generation(fd)), table.at(fd)], [null, "second", "second"]);
  assertEquals(table.of(at(70_000), 0), null, "nobody has ever been there");
});
