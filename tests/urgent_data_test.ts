// Urgent data (MSG_OOB, as telnet and FTP send it) through the real programs: it arrives in its place in the stream, from
// either end, and nothing behind it is lost.

import { assertEquals } from "./support/assert.ts";
import { assertSameBytes, noise } from "./support/bytes.ts";
import { awaited, connectCrowd, Service } from "./support/crowd.ts";
import { countersOf, until } from "./support/inspection.ts";
import type { Peer } from "./support/stage.ts";
import { FROM_SOURCE, Tunnels } from "./support/tunnels.ts";

const FRONT = 3_000_000;

/** A stream, and which of its bytes are urgent. */
interface Stream {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly marks: readonly number[];
}

const streams: readonly Stream[] = [
  { name: "abc, x urgent, def", bytes: new TextEncoder().encode("abcxdef"), marks: [3] },
  { name: "an urgent byte alone", bytes: noise(1, 1), marks: [0] },
  { name: "an urgent byte behind others", bytes: noise(2, 100), marks: [99] },
  { name: "several urgent bytes", bytes: noise(3, 10_000), marks: [0, 1, 5000, 9999] },
  { name: "megabytes before and behind", bytes: noise(4, 2 * FRONT + 1), marks: [FRONT] },
];

/** Sends a stream as far as the kernel takes it; says how far it has come. */
function sendFrom(peer: Peer, { bytes, marks }: Stream, sent: number): number {
  for (;;) {
    const mark = marks.find((mark) => mark >= sent) ?? bytes.length;
    if (mark === bytes.length && sent === mark) return sent;
    if (sent < mark) {
      const count = peer.send(bytes.subarray(sent, mark));
      if (count === 0) return sent;
      sent += count;
    } else peer.sendUrgent(bytes.subarray(sent, ++sent));
  }
}

Deno.test("urgent bytes arrive in their place, from either end, and so does what is behind them", async () => {
  using service = new Service();
  await using tunnels = await Tunnels.start(FROM_SOURCE, { urgent: service.address });
  const peers: Peer[] = [];
  let total = 0;
  try {
    for (const stream of streams) {
      const { name, bytes } = stream;
      total += bytes.length;
      const [visitor] = await connectCrowd(tunnels.public.get("urgent")!, 1);
      const [served] = await service.accept(1);
      peers.push(visitor, served);
      let [there, back] = [0, 0];
      await awaited(`${name} arrives at both ends`, () => {
        there = sendFrom(visitor, stream, there);
        back = sendFrom(served, stream, back);
        return served.read().count === bytes.length && visitor.read().count === bytes.length;
      });
      for (const peer of [visitor, served]) {
        assertSameBytes(peer.take(), bytes);
        peer.finish();
      }
      await awaited(`${name} ends at both ends`, () => [visitor, served].every((peer) => peer.read().state !== "open"));
      assertEquals([visitor.state, served.state], ["end", "end"]);
    }
  } finally {
    for (const peer of peers) peer.close();
  }
  for (const program of [tunnels.server, tunnels.client]) {
    const counters = await until(
      `the ${program.name} has ended all sessions`,
      () => countersOf(program),
      ({ sessionsEnded }) => sessionsEnded === streams.length,
    );
    assertEquals([counters.bytesToProxy, counters.bytesFromProxy], [total, total]);
  }
});

Deno.test("a stream that ends right behind an urgent byte is whole", async () => {
  using service = new Service();
  await using tunnels = await Tunnels.start(FROM_SOURCE, { urgent: service.address });
  const [visitor] = await connectCrowd(tunnels.public.get("urgent")!, 1);
  visitor.sendAll("abc");
  visitor.sendUrgent(new TextEncoder().encode("x"));
  visitor.sendAll("def");
  visitor.finish();
  const [served] = await service.accept(1);
  try {
    await awaited("the end arrives", () => served.read().state !== "open");
    assertEquals([served.text(), served.state], ["abcxdef", "end"]);
  } finally {
    for (const peer of [visitor, served]) peer.close();
  }
});
