// The hash of a visitor, on which both sides agree, and the table of LocalConns.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import {
  accept,
  connect,
  findLocalAddress,
  lastPort,
  listenOn,
  localAddress,
  openSocket,
  readLastIp,
} from "../ffi/socket.ts";
import { internetAddress, IP_WORDS, portOf, readIp, type SocketAddress, withPort } from "../ffi/socket_address.ts";
import { visitorHash } from "../core/protocol/visitor_hash.ts";
import { allocateLoopTable, LoopTable, MOST_DEPTH } from "../core/client/loop_table.ts";
import { Loops } from "../core/client/relay/loops.ts";
import type { LocalTarget } from "../core/client/relay/local_target.ts";
import { tunnelNo } from "./support/ids.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { targetAt } from "./support/targets.ts";

const at = (ip: string, port: number) => internetAddress(ip, port)!;

function hashOf(address: SocketAddress, publicPort: number): number {
  const ip = new Int32Array(IP_WORDS);
  readIp(address.bytes, ip);
  return visitorHash(ip, portOf(address), publicPort);
}

Deno.test("the hash is FNV-1a over the address, its port and the public port", () => {
  assertEquals(hashOf(at("192.0.2.1", 40000), 9000) >>> 0, 0xc38ef329);
  assertEquals(hashOf(at("::ffff:192.0.2.1", 40000), 9000), hashOf(at("192.0.2.1", 40000), 9000));
  let plain = 0x811c9dc5;
  const { bytes } = at("2001:db8::ff01:80fe", 65535);
  for (const byte of [...bytes.subarray(8, 24), 0xff, 0xff, 0, 80]) plain = Math.imul(plain ^ byte, 0x01000193);
  assertEquals(hashOf(at("2001:db8::ff01:80fe", 65535), 80), plain);
});

for (const [from, listen] of [["127.0.0.1", "127.0.0.1"], ["::1", "::1"], ["127.0.0.1", "::"]] as const) {
  Deno.test(`who connects to ${listen} from ${from} and who accepts make the same hash of it`, () => {
    const listener = listenOn(at(listen, 0)) as Descriptor;
    const address = at(from, portOf(localAddress(listener)!));
    const near = openSocket(address.family) as Descriptor;
    connect(near, address);
    const [ours, theirs] = [new Int32Array(IP_WORDS), new Int32Array(IP_WORDS)];
    assertEquals(findLocalAddress(near), true);
    readLastIp(ours);
    const hash = visitorHash(ours, lastPort(), portOf(address));
    const far = accept(listener) as Descriptor;
    readLastIp(theirs);
    assertEquals(visitorHash(theirs, lastPort(), portOf(address)), hash);
    for (const fd of [near, far, listener]) close(fd);
  });
}

Deno.test("a LocalConn is found at its depth by every Worker, and forgotten after 30 s", () => {
  const memory = allocateLoopTable();
  let now = 4095_000;
  const [one, two] = [1, 2].map(() => new LoopTable(memory, () => now));
  for (const hash of [1, -1, 0x7fff_0000, -0x8000_0000]) {
    assertEquals(two.depthOf(hash), 0);
    for (let depth = 0; depth < MOST_DEPTH; depth++) {
      one.add(hash, depth);
      assertEquals(two.depthOf(hash), depth + 1);
    }
    assertEquals(two.depthOf(hash ^ 0x10000), 0, "another one in the same slot");
  }
  now += 30_000;
  assertEquals(two.depthOf(-1), MOST_DEPTH);
  now += 1000;
  assertEquals(two.depthOf(-1), 0);
});

Deno.test("a LocalConn that is about to be added is waited for, and not for ever", () => {
  const table = new LoopTable(allocateLoopTable());
  const timeOf = () => {
    const start = performance.now();
    assertEquals(table.depthOf(7), 0);
    return performance.now() - start;
  };
  table.expect();
  assert(timeOf() >= 15);
  table.settle();
  assert(timeOf() < 15);
});

Deno.test("addresses that lead back to the tunnel are not tried, and others are", () => {
  const server = at("192.0.2.1", 8080);
  const web = (port: number) => withPort(server, port);
  const targets: LocalTarget[] = [
    targetAt([web(9001)]), // itself
    targetAt([web(9003)]), // a ring of two
    targetAt([web(9002)]),
    targetAt([web(9001), at("::1", 9004), at("192.0.2.2", 9004)]), // to a loop, and to the same port elsewhere
    targetAt([web(9005)]), // its port is not at that address
  ];
  const loops = new Loops(new LoopTable(allocateLoopTable()), { at: (place) => targets[place] });
  const usable = () => targets.map((target) => loops.usable(target).length);
  loops.onUp(server);
  assertEquals(usable(), [1, 1, 1, 3, 1]);
  targets.forEach((_, i) =>
    loops.onPort({ tunnel: tunnelNo(i + 1), port: 9001 + i, here: i < 4, onThisHost: false, bound: null })
  );
  assertEquals(usable(), [0, 0, 0, 3, 1]);
  loops.onPort({ tunnel: tunnelNo(2), port: 9010, here: true, onThisHost: false, bound: null });
  assertEquals(usable(), [0, 1, 1, 3, 1], "a tunnel has another port");
  loops.onPort({ tunnel: tunnelNo(1), port: 0, here: false, onThisHost: false, bound: null });
  assertEquals(usable(), [1, 1, 1, 3, 1], "a tunnel is down");
  loops.onDown();
  loops.onPort({ tunnel: tunnelNo(1), port: 9001, here: true, onThisHost: false, bound: null });
  assertEquals(usable(), [0, 1, 1, 3, 1]);
});

Deno.test("a service of another host, or of another address, at the same port is no loop", () => {
  const table = new LoopTable(allocateLoopTable());
  const targets = [targetAt([at("127.0.0.5", 9001)])];
  const loops = new Loops(table, { at: (place) => targets[place] });
  loops.onUp(at("127.0.0.1", 8080));
  const usable = () => loops.usable(targets[0]).length;
  const port = { tunnel: tunnelNo(1), port: 9001 };
  // the server is on this host: at another address of it only if the port is open there
  loops.onPort({ ...port, here: true, onThisHost: false, bound: null });
  assertEquals(usable(), 1);
  loops.onPort({ ...port, here: true, onThisHost: true, bound: null });
  assertEquals(usable(), 0);
  loops.onPort({ ...port, here: false, onThisHost: false, bound: [0, 0, 0xffff, 0x7f000005] });
  assertEquals(usable(), 0);
  loops.onPort({ ...port, here: false, onThisHost: false, bound: [0, 0, 0xffff, 0x7f000006] });
  assertEquals(usable(), 1);
  // no Worker waits for a LocalConn that goes elsewhere
  loops.onPort({ ...port, here: true, onThisHost: false, bound: null });
  loops.onConnecting(at("192.0.2.7", 9001));
  const start = performance.now();
  assertEquals(loops.depthOf(visitorHash(new Int32Array([0, 0, 0xffff, 1]), 1, 9001)), 0);
  assert(performance.now() - start < 5);
});
