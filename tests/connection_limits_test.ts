// How many PublicConns may be open: per tunnel, per token and in all, exactly; and what is said of those beyond it.

import { ConnectionCounts, type PortPlace, portPlaceOf } from "../core/server/connection_counts.ts";
import { ConnectionLimits } from "../core/server/acceptor/connection_limits.ts";
import type { LogFields } from "../core/reactor/log_record.ts";
import type { PortRules } from "../core/server/worker_config.ts";
import { internetAddress } from "../ffi/socket_address.ts";
import { assertEquals } from "./support/assert.ts";
import { type Stage, testOnStage } from "./support/stage.ts";

const bind = internetAddress("127.0.0.1", 0)!;
const ALICE = 0;
const BOB = 1;
const RULES: PortRules[] = [
  { name: "alice", bind, maxTunnels: 4, maxConnections: 5, maxConnectionsPerTunnel: 3 },
  { name: "bob", bind, maxTunnels: Infinity, maxConnections: Infinity, maxConnectionsPerTunnel: Infinity },
];
const [ONE, OTHER, BOBS] = [portPlaceOf(ALICE, 7), portPlaceOf(ALICE, 65_535), portPlaceOf(BOB, 7)];

/** The limits, and the lines that they log. */
function limitsOn({ loop }: Stage, most: number | null = 9) {
  const lines: string[] = [];
  const log = (_level: string, message: string, { peer: _, ...fields }: LogFields = {}) =>
    void lines.push([message, ...Object.entries(fields).map(([k, v]) => `${k}=${v}`)].join(" "));
  const counts = new ConnectionCounts(RULES.length);
  // the relay Workers have a view of their own
  const relays = new ConnectionCounts(RULES.length, counts.memory);
  const limits = new ConnectionLimits({ loop, log, logs: () => false }, counts, RULES, most);
  return {
    lines,
    leave: (place: PortPlace) => relays.closed(place),
    /** How many of `count` that come to a port are let in. */
    come(count: number, grant: number, place: PortPlace): number {
      let admitted = 0;
      for (let i = 0; i < count; i++) if (limits.admits(grant, place, { port: place % 65_536 })) admitted++;
      return admitted;
    },
  };
}

testOnStage("so many are let in as the tunnel, the token and the server may have, whichever comes first", (stage) => {
  stage.connect();
  const { come } = limitsOn(stage);
  assertEquals(come(10, ALICE, ONE), 3, "max_connections_per_tunnel");
  assertEquals(come(10, ALICE, OTHER), 2, "max_connections of the token");
  assertEquals(come(10, BOB, BOBS), 4, "max_connections of the server");
});

testOnStage("for each that leaves another one is let in, and not one more", (stage) => {
  stage.connect();
  const { come, leave } = limitsOn(stage);
  come(3, ALICE, ONE);
  come(2, ALICE, OTHER);
  come(4, BOB, BOBS);
  leave(BOBS);
  assertEquals(come(5, ALICE, OTHER), 0, "Alice has what she may have");
  assertEquals(come(5, BOB, BOBS), 1);
  leave(ONE);
  assertEquals(come(5, ALICE, ONE), 1);
  leave(OTHER);
  leave(OTHER);
  assertEquals(come(5, ALICE, ONE), 0, "this tunnel has what it may have");
  assertEquals(come(5, ALICE, OTHER), 2);
});

testOnStage("without rules nobody is refused", (stage) => {
  const { come, lines } = limitsOn(stage, null);
  assertEquals(come(100_000, BOB, BOBS), 100_000);
  assertEquals(lines, []);
});

testOnStage("each rule has a line a minute at most, which counts the visitors that it refused", (stage) => {
  stage.connect();
  const { come, lines } = limitsOn(stage);
  come(100, ALICE, ONE);
  come(100, ALICE, OTHER);
  come(100, BOB, BOBS);
  const [tunnel, token, server] = [
    "Visitors are refused by max_connections_per_tunnel token=alice limit=3",
    "Visitors are refused by max_connections token=alice limit=5",
    "Visitors are refused by max_connections limit=9",
  ];
  assertEquals(lines.splice(0), [
    `${tunnel} port=7 refused=1`,
    `${token} port=65535 refused=1`,
    `${server} port=7 refused=1`,
  ]);
  stage.advance(58_000);
  come(1, ALICE, ONE);
  assertEquals(lines, []);
  stage.advance(2000);
  const later = [`${tunnel} port=7 refused=97`, `${token} port=65535 refused=97`, `${server} port=7 refused=95`];
  assertEquals(lines.splice(0).toSorted(), later.toSorted());
  stage.advance(300_000);
  assertEquals(lines, [], "nobody was refused since");
});

testOnStage("a tunnel that moves from port to port has no more than all that its token may have at a time", (stage) => {
  stage.connect();
  const rules = [{ ...RULES[ALICE], maxTunnels: 2, maxConnections: Infinity }];
  const counts = new ConnectionCounts(1);
  const limits = new ConnectionLimits({ loop: stage.loop, log() {}, logs: () => false }, counts, rules, null);
  const admitted = [1, 2, 3, 4].map((port) => {
    let visitors = 0;
    while (limits.admits(ALICE, portPlaceOf(ALICE, port), {})) visitors++;
    return visitors;
  });
  assertEquals(admitted, [3, 3, 0, 0]);
});

testOnStage(
  "a visitor counts at the port that it came to as long as it stays, whatever tunnel has that next",
  (stage) => {
    stage.connect();
    const counts = new ConnectionCounts(RULES.length);
    const log = () => {};
    const limits = new ConnectionLimits({ loop: stage.loop, log, logs: () => false }, counts, RULES, null);
    const port = portPlaceOf(ALICE, 9000);
    assertEquals([1, 2, 3, 4].map(() => limits.admits(ALICE, port, {})), [true, true, true, false]);
    // the tunnel is closed and opened under another name: the port is the same
    assertEquals(limits.admits(ALICE, portPlaceOf(ALICE, 9000), {}), false);
    assertEquals(limits.admits(BOB, portPlaceOf(BOB, 9000), {}), true, "that is another address");
  },
);
