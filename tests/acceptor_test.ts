// Accepting connections, also when the process is out of descriptors.

import type { Descriptor } from "../ffi/descriptor.ts";
import { listenOn, localAddress } from "../ffi/socket.ts";
import { type SocketAddress } from "../ffi/socket_address.ts";
import { Acceptor } from "../core/reactor/acceptor.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import { listenSomewhere, type Peer, type Stage, testOnStage } from "./support/stage.ts";

interface Door {
  readonly acceptor: Acceptor;
  readonly address: SocketAddress;
  readonly guests: Peer[];
  readonly pauses: string[];
}

/** Listens; who comes belongs to the stage. */
function open(stage: Stage, whyNotAccept?: (used: number | null) => string | null, lane = 0): Door {
  const { fd, address } = listenSomewhere(256);
  const guests: Peer[] = [];
  const pauses: string[] = [];
  const acceptor = new Acceptor(stage.loop, fd, {
    onAccept: (fd) => guests.push(stage.peer(fd)),
    onAcceptPaused: (reason) => pauses.push(reason),
    whyNotAccept,
  }, lane);
  return { acceptor, address, guests, pauses };
}

testOnStage("every connection is accepted, in the order of coming", (stage) => {
  const { acceptor, address, guests } = open(stage);
  const callers = [1, 2, 3].map(() => stage.caller(address));
  stage.until(() => guests.length === 3, "three guests");
  guests.forEach((guest, i) => guest.sendAll(`guest ${i}`));
  stage.step();
  assertEquals(callers.map((caller) => caller.text()), ["guest 0", "guest 1", "guest 2"]);
  acceptor.close();
});

testOnStage("a crowd is let in over several turns", (stage) => {
  const { acceptor, address, guests } = open(stage);
  for (let i = 0; i < 150; i++) stage.caller(address);
  stage.step();
  assert(guests.length > 0 && guests.length < 150, `${guests.length} at once`);
  stage.until(() => guests.length === 150, "the rest");
  acceptor.close();
});

testOnStage("where parties have turns, a guest of one is not behind the crowds at all doors of another", (stage) => {
  const crowded = Array.from({ length: 10 }, () => open(stage, undefined, 1));
  const quiet = open(stage, undefined, 2);
  for (const { address } of crowded) for (let i = 0; i < 40; i++) stage.caller(address);
  stage.caller(quiet.address);
  const inCrowds = () => crowded.reduce((sum, { guests }) => sum + guests.length, 0);
  stage.until(() => quiet.guests.length === 1, "the only guest");
  assert(inCrowds() <= 10 * 8, `${inCrowds()} went before`);
  stage.until(() => inCrowds() === 400, "the crowds");
  for (const { acceptor } of [...crowded, quiet]) acceptor.close();
});

testOnStage("a door that is closed while it waits for its turn lets nobody in", (stage) => {
  const { acceptor, address, guests } = open(stage, undefined, 1);
  stage.caller(address);
  acceptor.onEvents();
  acceptor.close();
  stage.step(2);
  assertEquals(guests.length, 0);
});

testOnStage("without descriptors accepting pauses instead of spinning, and no waiting connection is lost", (stage) => {
  const { acceptor, address, guests, pauses } = open(stage);
  for (let i = 0; i < 5; i++) stage.caller(address);
  withoutDescriptors((free) => {
    stage.step(5);
    assertEquals([guests.length, pauses], [0, ["too many open files"]]);
    stage.advance(100);
    stage.step(5);
    assertEquals([guests.length, pauses.length], [0, 2]);
    free();
    stage.advance(100);
    stage.step();
    assertEquals(guests.length, 1);
  });
  stage.advance(100);
  stage.until(() => guests.length === 5, "those who waited");
  acceptor.close();
});

testOnStage("accepting pauses while so many descriptors are in use as leave no room for others", (stage) => {
  let full = Infinity;
  let seen = 0;
  const whyNotAccept = (used: number | null) => (seen = used ?? seen) < full ? null : "full";
  const { acceptor, address, guests, pauses } = open(stage, whyNotAccept);
  const callers = Array.from({ length: 5 }, () => stage.caller(address));
  full = Math.max(...callers.map(({ fd }) => fd)) + 3;
  stage.step(5);
  assert(guests.length >= 1 && guests.length < 5, `${guests.length} guests`);
  assertEquals([pauses, seen >= full], [["full"], true]);
  const before = guests.length;
  stage.advance(100);
  stage.step(5);
  assertEquals([guests.length, pauses.length], [before, 2], "nothing has changed");
  full = Infinity;
  stage.advance(100);
  stage.until(() => guests.length === 5, "those who waited");
  assertEquals(pauses.length, 2);
  acceptor.close();
});

testOnStage("what is left is not exceeded by a guest at each of many doors", (stage) => {
  const doors: Door[] = [];
  const inside = () => doors.reduce((sum, { guests }) => sum + guests.length, 0);
  let most = 5;
  while (doors.length < 20) doors.push(open(stage, () => inside() < most ? null : "full"));
  for (const { address } of doors) stage.caller(address);
  stage.step(5);
  assertEquals(inside(), most);
  most = 8;
  stage.advance(100);
  stage.step(5);
  assertEquals(inside(), most);
  most = Infinity;
  stage.advance(100);
  stage.until(() => inside() === doors.length, "those who waited");
  for (const { acceptor } of doors) acceptor.close();
});

testOnStage("the more listeners of a party pause, the less often each of them looks", (stage) => {
  let looks = 0;
  let isFull = true;
  const { fd, address } = listenSomewhere(256);
  const guests: Peer[] = [];
  // nine thousand and this one
  const paused = { count: 8999 };
  const acceptor = new Acceptor(
    stage.loop,
    fd,
    {
      onAccept: (fd) => guests.push(stage.peer(fd)),
      onAcceptPaused() {},
      whyNotAccept: () => (looks++, isFull ? "full" : null),
    },
    0,
    paused,
  );
  stage.caller(address);
  stage.step(2);
  assertEquals([guests.length, paused.count], [0, 9000]);
  const before = looks;
  for (let i = 0; i < 8; i++) stage.advance(100);
  assertEquals(looks, before);
  isFull = false;
  stage.advance(100);
  stage.until(() => guests.length === 1, "the one that waited");
  assertEquals(paused.count, 8999);
  acceptor.close();
  assertEquals(paused.count, 8999);
});

testOnStage("a connection that has gone before being accepted disturbs nothing", (stage) => {
  const { acceptor, address, guests, pauses } = open(stage);
  stage.caller(address).reset();
  stage.caller(address);
  stage.until(() => guests.length === 2 || (guests.length === 1 && guests[0].read().state === "open"), "the other one");
  assertEquals(pauses, []);
  acceptor.close();
});

testOnStage("a closed port can be opened again in the same turn", (stage) => {
  const { acceptor, address, guests } = open(stage);
  acceptor.close();
  const fd = listenOn(address) as Descriptor;
  assert(fd > 0, `errno ${-fd}`);
  assertEquals(localAddress(fd), address);
  const again = new Acceptor(stage.loop, fd, { onAccept: (fd) => guests.push(stage.peer(fd)), onAcceptPaused() {} });
  stage.caller(address);
  stage.until(() => guests.length === 1, "a guest");
  again.close();
});

testOnStage("a door that is closed while it pauses stays closed", (stage) => {
  const { acceptor, address, guests, pauses } = open(stage);
  stage.caller(address);
  withoutDescriptors(() => stage.step());
  assertEquals(pauses.length, 1);
  acceptor.close();
  assertEquals(stage.loop.timers.size, 0, "or it would later enable whoever got its number");
  stage.advance(1000);
  stage.step(2);
  assertEquals(guests.length, 0);
});
