// The ControlMap: clients with their tunnels, who has which port, and a client that comes back.

import { Errno } from "../ffi/errno.ts";
import { CtlConn, type CtlConnOwner } from "../core/protocol/ctl_conn.ts";
import { proxyId, tunnelNo } from "./support/ids.ts";
import type { CtlMessage } from "../core/protocol/messages.ts";
import type { Grant } from "../core/server/policy/grant.ts";
import type { LogFields } from "../core/reactor/log_record.ts";
import { RelayCounters } from "../core/relay/counters.ts";
import { ControlMap, type ControlMapActions } from "../core/server/control/control_map.ts";
import type { Control, Tunnel } from "../core/server/control/control.ts";
import { TunnelRows } from "../core/server/control/tunnel_rows.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { exchange, messagesAt, only } from "./support/ctl_peer.ts";
import { grant } from "./support/grants.ts";
import { newTunnelReq } from "./support/messages.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

const HEARTBEAT_MS = 10_000;
const HOLD_MS = 60_000;
const ANYTHING = grant();

/** A map, and what it had done. */
class Town implements ControlMapActions {
  readonly stage: Stage;
  readonly map: ControlMap;
  readonly deeds: string[] = [];
  readonly lines: string[] = [];
  readonly shown: string[] = [];
  readonly counters = new RelayCounters(1, 5);

  constructor(stage: Stage) {
    this.stage = stage;
    const heartbeats = { heartbeatIntervalMs: HEARTBEAT_MS, heartbeatTimeoutMs: 3 * HEARTBEAT_MS };
    this.map = new ControlMap(this, new TunnelRows(this.counters, 2), {
      ctlPort: 8080,
      proxyPort: 8090,
      toldProxyPort: 8090,
      portHoldMs: HOLD_MS,
      ...heartbeats,
    }, () => stage.loop.now);
  }

  /** Whether the acceptor closes ports before the next line here. */
  closesAtOnce = true;
  /** Whether there are descriptors for another client. */
  room = true;

  hasRoom = () => this.room;
  announce = ({ id }: Control) => void this.deeds.push(`announce ${id}`);
  withdraw = ({ id }: Control) => void this.deeds.push(`withdraw ${id}`);
  release = () => {};
  listen = ({ id, port }: Tunnel, { id: control }: Control) =>
    void this.deeds.push(`listen ${id} ${port} for ${control}`);
  unlisten = ({ id }: Tunnel) => {
    this.deeds.push(`unlisten ${id}`);
    if (this.closesAtOnce) this.map.tunnels.onUnlistened(id);
  };
  show = ({ row }: Tunnel, up: boolean, { name, public: address }: LogFields) =>
    void this.shown.push(`${row.row} ${name} ${up ? "up" : "down"} ${address}`);
  log = (_about: string, _grant: Grant, message: string, fields: Readonly<Record<string, string | number | boolean>>) =>
    void this.lines.push([message, ...Object.entries(fields).map(([k, v]) => `${k}=${v}`)].join(" "));

  /** A client that has logged in. */
  enter(instance: string, address = "192.0.2.1:50000", rules = ANYTHING): Peer {
    const { fd, peer } = this.stage.connectUnwatched();
    let owner: CtlConnOwner | null = null;
    const conn = new CtlConn(this.stage.loop, fd, {
      onMessage: (message) => owner!.onMessage(message),
      onClosed: (reason) => owner!.onClosed(reason),
    }, 5000);
    owner = this.map.add({
      conn,
      grant: rules,
      instance,
      program: "test 1",
      workers: 1,
      address,
      proof: "ab".repeat(32),
    });
    this.stage.step(2);
    const rsp = only(messagesAt(peer), "NewCtlRsp");
    assert(rsp.ok);
    return peer;
  }

  /** A request for a port, and what is answered at once. */
  ask(client: Peer, no: number, port: number, name = `tunnel ${no}`): CtlMessage[] {
    return this.exchange(client, newTunnelReq(no, name, port));
  }

  exchange(client: Peer, ...messages: CtlMessage[]): CtlMessage[] {
    return exchange(this.stage, client, ...messages);
  }

  /** The acceptor has opened a port, or not. */
  opened(client: Peer, id: number, port: number, code = 0): CtlMessage[] {
    this.map.tunnels.onListening(id, port, code);
    this.stage.step();
    return messagesAt(client);
  }

  dispose(): void {
    for (const { conn } of this.map.values()) conn.close();
  }
}

function testTown(name: string, body: (town: Town, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const town = new Town(stage);
    try {
      body(town, stage);
    } finally {
      town.dispose();
    }
  });
}

function refusal(messages: CtlMessage[]): string {
  const rsp = only(messages, "NewTunnelRsp");
  assert(!rsp.ok);
  return rsp.reason;
}

testTown("a client is announced before it is told that it is in", (town, stage) => {
  const client = town.enter("a");
  assertEquals(town.deeds, ["announce 1"]);
  assertEquals(town.lines, ["Client has logged in client=1 address=192.0.2.1:50000 program=test 1"]);
  stage.advance(HEARTBEAT_MS);
  assertEquals(messagesAt(client), [{ type: "Heartbeat" }]);
});

testTown("a tunnel is up when its port is open", (town) => {
  const client = town.enter("a");
  assertEquals(town.ask(client, 1, 8000, "web"), []);
  assertEquals(town.deeds.at(-1), "listen 1 8000 for 1");
  assertEquals(town.opened(client, 1, 8000), [
    { type: "NewTunnelRsp", tunnel: tunnelNo(1), ok: true, address: "0.0.0.0", remote_port: 8000, allow: [], deny: [] },
  ]);
  assertEquals(town.lines.at(-1), "Tunnel is up name=web public=0.0.0.0:8000 client=1");
});

testTown("a client that asks for any port is told which one it got", (town) => {
  const client = town.enter("a");
  town.ask(client, 1, 0);
  town.ask(client, 2, 0);
  assertEquals(town.deeds.slice(-2), ["listen 1 0 for 1", "listen 2 0 for 1"]);
  const rsp = only(town.opened(client, 2, 40_000), "NewTunnelRsp");
  assert(rsp.ok);
  assertEquals([rsp.tunnel as number, rsp.remote_port], [2, 40_000]);
});

testTown("a port that another client has is refused with its tunnel's name", (town) => {
  const [one, other] = [town.enter("a"), town.enter("b", "192.0.2.2:50000")];
  town.ask(one, 1, 8000, "web");
  const text = 'Port 8000 belongs to tunnel "web" of the client at 192.0.2.1:50000';
  assertEquals(refusal(town.ask(other, 1, 8000)), text, "also while it is being opened");
  town.opened(one, 1, 8000);
  assertEquals(refusal(town.ask(other, 1, 8000)), text);
  assertEquals(refusal(town.ask(one, 2, 8000)), 'Port 8000 belongs to tunnel "web" of this client');
  assertEquals(town.ask(other, 1, 8001), [], "and another one can be had under the same number");
});

testTown("a port that cannot be opened is refused with the reason, and the next attempt is a new one", (town) => {
  const client = town.enter("a");
  const attempts: [number, number, string][] = [
    [80, Errno.EACCES, "Port 80 may not be opened by the server's user"],
    [8000, Errno.EADDRINUSE, "Port 8000 is in use on the server by another program"],
    [8080, Errno.EADDRINUSE, "Port 8080 is the server's ctl_port"],
    [8090, Errno.EADDRINUSE, "Port 8090 is the server's proxy_port"],
    [0, Errno.EADDRINUSE, "No port is free"],
    [8001, Errno.EMFILE, "The server has no descriptor left for another port of this token"],
  ];
  attempts.forEach(([port, code, text], i) => {
    assertEquals(town.ask(client, 1, port), []);
    assertEquals(refusal(town.opened(client, i + 1, port, code)), text);
  });
  town.ask(client, 1, 8000);
  const rsp = only(town.opened(client, attempts.length + 1, 8000), "NewTunnelRsp");
  assert(rsp.ok);
});

testTown(
  "a tunnel is shown with the row in which it is counted, and has the same one when its client returns",
  (town) => {
    const former = town.enter("a");
    town.ask(former, 1, 8000, "web");
    town.ask(former, 2, 8001, "ssh");
    town.opened(former, 1, 8000);
    town.opened(former, 2, 8001);
    const returned = town.enter("a");
    town.ask(returned, 2, 0, "ssh");
    town.opened(returned, 3, 8002);
    assertEquals(town.shown, [
      "0 web up 0.0.0.0:8000",
      "1 ssh up 0.0.0.0:8001",
      "0 web down 0.0.0.0:8000",
      "1 ssh down 0.0.0.0:8001",
      "1 ssh up 0.0.0.0:8002",
    ]);
  },
);

testTown("a tunnel beyond the rows of the counters is refused, until another one has gone", (town) => {
  const [one, other] = [town.enter("a"), town.enter("b")];
  for (let no = 1; no <= 5; no++) assertEquals(town.ask(one, no, 0), []);
  assertEquals(refusal(town.ask(other, 1, 0)), "The server has 5 tunnels, the most that it can have");
  assertEquals(refusal(town.opened(one, 3, 0, Errno.EADDRINUSE)), "No port is free");
  assertEquals(town.ask(other, 1, 0), []);
});

testTown("a closed tunnel gives its port back", (town) => {
  const client = town.enter("a");
  town.ask(client, 1, 8000, "web");
  town.opened(client, 1, 8000);
  town.exchange(client, { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "enough" });
  assertEquals(town.deeds.at(-1), "unlisten 1");
  assertEquals(town.lines.at(-1), "Tunnel is down name=web public=0.0.0.0:8000 client=1 reason=enough");
  town.exchange(client, { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "again" });
  assertEquals(town.deeds.at(-1), "unlisten 1");
  assertEquals(town.ask(client, 1, 8000), []);
});

testTown("a client that goes takes its tunnels with it, and no other's", (town, stage) => {
  const [one, other] = [town.enter("a"), town.enter("b")];
  town.ask(one, 1, 8000, "web");
  town.opened(one, 1, 8000);
  town.ask(one, 2, 0, "not open yet");
  town.ask(other, 1, 8001, "stays");
  town.opened(other, 3, 8001);
  town.deeds.length = 0;
  one.close();
  stage.step(3);
  assertEquals(town.deeds, ["unlisten 1", "unlisten 2", "withdraw 1"]);
  assertEquals(town.lines.slice(-2), [
    "Tunnel is down name=web public=0.0.0.0:8000 client=1 reason=closed by the peer",
    "Client has gone client=1 address=192.0.2.1:50000 reason=closed by the peer",
  ]);
  assertEquals(town.opened(other, 2, 40_000), [], "a port that opens too late is nobody's");
  assertEquals(town.ask(other, 2, 8000), []);
  assertEquals([...town.map.values()].map(({ id }) => id as number), [2]);
});

testTown("a client that returns replaces itself, and gets its port at once", (town, stage) => {
  const former = town.enter("a");
  town.ask(former, 1, 8000, "web");
  town.opened(former, 1, 8000);
  town.deeds.length = 0;
  const returned = town.enter("a", "192.0.2.1:50001");
  assertEquals(town.deeds, ["unlisten 1", "withdraw 1", "announce 2"]);
  assertEquals(
    town.lines.at(-2),
    "Client has gone client=1 address=192.0.2.1:50000 reason=replaced by a new connection of the same client",
  );
  assertEquals(town.ask(returned, 1, 8000), []);
  assertEquals(town.deeds.at(-1), "listen 2 8000 for 2");
  stage.until(() => former.read().state !== "open", "the end of the former connection");
  assertEquals([...town.map.values()].length, 1);
});

testTown("a dead connection that ends after its client has returned changes nothing", (town, stage) => {
  const former = town.enter("a");
  town.enter("a");
  const { length } = town.deeds;
  former.reset();
  stage.step(3);
  assertEquals(town.deeds.length, length);
  assertEquals([...town.map.values()].map(({ id }) => id as number), [2]);
});

testTown("a client that breaks the protocol is cut off", (town, stage) => {
  const wrong: CtlMessage[] = [
    newTunnelReq(1, "twice", 0),
    { type: "NewCtlRsp", ok: false, reason: "" },
    { type: "NotifyClientNeedProxy", worker: 0, notices: false, proxy: proxyId(1), ticket: [0, 0, 0, 0] },
  ];
  const reasons = [
    "Tunnel 1 is there already",
    "NewCtlRsp does not belong here",
    "NotifyClientNeedProxy does not belong here",
  ];
  wrong.forEach((message, i) => {
    const client = town.enter(`client ${i}`);
    town.ask(client, 1, 0);
    town.exchange(client, message);
    stage.until(() => client.read().state !== "open", "the end of the connection");
    assert(town.lines.at(-1)!.endsWith(`reason=${reasons[i]}`), town.lines.at(-1));
  });
  stage.advance(1100);
  assertEquals([...town.map.values()], []);
});

testTown("a client that falls silent is given up", (town, stage) => {
  const client = town.enter("a");
  town.ask(client, 1, 8000);
  for (let i = 0; i < 31; i++) stage.advance(1000);
  assertEquals([...town.map.values()], []);
  assert(town.lines.at(-1)!.endsWith("reason=silent for 30 s"), town.lines.at(-1));
  assertEquals(town.deeds.slice(-2), ["unlisten 1", "withdraw 1"]);
  stage.until(() => client.read().state !== "open", "the end of the connection");
});

const ALICE = grant({
  id: 1,
  name: "alice",
  token: "a",
  ports: [{ low: 8000, high: 8002 }, { low: 9000, high: 9000 }],
});
const BOB = grant({ id: 2, name: "bob", token: "b", maxTunnels: 2 });

/** What a refused client is told, and by which rule. */
function refusedBy(messages: CtlMessage[]): [string, string] {
  const rsp = only(messages, "NewTunnelRsp");
  assert(!rsp.ok);
  return [rsp.rule, rsp.reason];
}

testTown("a client is told of a port that its token may not use, and no port is opened", (town) => {
  const client = town.enter("a", "192.0.2.1:50000", ALICE);
  assertEquals(town.lines, ["Client has logged in client=1 address=192.0.2.1:50000 program=test 1 token=alice"]);
  for (const port of [7999, 8003, 22]) {
    const reason = `Token "alice" may use ports 8000-8002, 9000, and not port ${port}`;
    assertEquals(refusedBy(town.ask(client, 1, port)), ["ports", reason]);
  }
  assertEquals(town.deeds, ["announce 1"]);
  for (const port of [8000, 8002, 9000]) assertEquals(town.ask(client, port, port), []);
});

testTown("a tunnel without a port of its own gets one that its token may use and that is free", (town) => {
  const client = town.enter("a", "192.0.2.1:50000", ALICE);
  town.ask(client, 1, 8001);
  assertEquals(town.ask(client, 2, 0), []);
  assertEquals(town.deeds.at(-1), "listen 2 8000 for 1");
  assertEquals(town.opened(client, 2, 8000, Errno.EADDRINUSE), [], "another program has it, so the next one is tried");
  assertEquals(town.deeds.at(-1), "listen 2 8002 for 1");
  assertEquals(only(town.opened(client, 2, 8002), "NewTunnelRsp").ok, true);
  assertEquals(town.ask(client, 3, 0), []);
  assertEquals(town.deeds.at(-1), "listen 3 9000 for 1");
  assertEquals(refusedBy(town.opened(client, 3, 9000, Errno.EMFILE)), [
    "",
    "The server has no descriptor left for another port of this token",
  ]);
  town.ask(client, 6, 0);
  assertEquals(town.opened(client, 4, 8000, Errno.EACCES), []);
  assertEquals(refusedBy(town.opened(client, 4, 9000, Errno.EACCES)), ["", "None of ports 8000-8002, 9000 is free"]);
  town.ask(client, 4, 9000);
  town.ask(client, 5, 8000);
  assertEquals(refusedBy(town.ask(client, 3, 0)), ["", "None of ports 8000-8002, 9000 is free"]);
});

testTown("a port that was given up is not the next to be given away", (town) => {
  const client = town.enter("a", "192.0.2.1:50000", ALICE);
  const given: string[] = [];
  for (let i = 1; i <= 5; i++) {
    town.ask(client, 1, 0);
    given.push(town.deeds.at(-1)!.split(" ")[2]);
    town.exchange(client, { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "enough" });
  }
  assertEquals(given, ["8000", "8001", "8002", "9000", "8000"]);
});

testTown(
  "a token has so many tunnels and no more, all its clients together, and may have others later",
  (town, stage) => {
    const [one, other] = [town.enter("a", "192.0.2.1:50000", BOB), town.enter("b", "192.0.2.1:50001", BOB)];
    const full = ["max_tunnels", 'Token "bob" has reached its max_tunnels (2)'];
    town.ask(one, 1, 8000);
    town.opened(one, 1, 8000);
    town.ask(other, 1, 0);
    assertEquals(refusedBy(town.ask(other, 2, 8001)), full, "one of the two is being opened");
    assertEquals(refusal(town.opened(other, 2, 0, Errno.EADDRINUSE)), "No port is free");
    assertEquals(town.ask(other, 2, 8001), [], "it was not");
    assertEquals(refusedBy(town.ask(one, 2, 8002)), full);
    one.close();
    stage.step(3);
    assertEquals(town.ask(other, 3, 8000), []);
    assertEquals(refusedBy(town.ask(other, 4, 8003)), full);
    assertEquals(town.ask(town.enter("c"), 1, 8004), [], "another token has its own");
  },
);

testTown("a client with another token is another client, whatever instance it claims", (town, stage) => {
  const alice = town.enter("the same", "192.0.2.1:50000", ALICE);
  town.ask(alice, 1, 8000, "web");
  town.opened(alice, 1, 8000);
  const bob = town.enter("the same", "192.0.2.2:50000", BOB);
  assertEquals([...town.map.values()].map(({ id }) => id as number), [1, 2]);
  assertEquals(refusedBy(town.ask(bob, 1, 8000)), ["", "Port 8000 belongs to a client with another token"]);
  town.exchange(bob, { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "not mine" });
  assertEquals(town.deeds, ["announce 1", "listen 1 8000 for 1", "announce 2"]);
  town.enter("the same", "192.0.2.1:50001", ALICE);
  assertEquals(town.deeds.slice(-3), ["unlisten 1", "withdraw 1", "announce 3"]);
  stage.until(() => alice.read().state !== "open", "the end of Alice's former connection");
  bob.close();
  stage.step(3);
  assertEquals([...town.map.values()].map(({ id }) => id as number), [3]);
});

testTown("on another address the same port is another one", (town) => {
  const near = town.enter("a", "192.0.2.1:50000", grant({ id: 1, name: "near", token: "n", bind: "127.0.0.1" }));
  const far = town.enter("b", "192.0.2.1:50001", grant({ id: 2, name: "far", token: "f", bind: "::1" }));
  town.ask(near, 1, 8000);
  assertEquals(town.ask(far, 1, 8000, "web"), []);
  const rsp = only(town.opened(far, 2, 8000), "NewTunnelRsp");
  assert(rsp.ok);
  assertEquals([rsp.address, rsp.remote_port], ["::1", 8000]);
  assertEquals(town.lines.at(-1), "Tunnel is up name=web public=[::1]:8000 client=2");
});

testTown(
  "what costs little is looked at before address ranges, which are read when the tunnel can be granted",
  (town, stage) => {
    const client = town.enter("a", "192.0.2.1:50000", grant({ ports: [{ low: 8000, high: 8000 }] }));
    const request = { ...newTunnelReq(1, "web", 9000), allow: ["no range"] } as CtlMessage;
    assert(refusal(town.exchange(client, request)).includes("may use ports 8000"));
    town.exchange(client, { ...request, remote_port: 8000 } as CtlMessage);
    assertEquals(town.lines.at(-1)!.replace(/^.*reason=/, ""), 'Invalid NewTunnelReq: "no range" is no address range');
    stage.advance(1100);
  },
);

const CARLA = grant({ id: 3, name: "carla", token: "c", maxClients: 2 });

testTown("a token has so many clients and no more, and one that returns needs no other place", (town, stage) => {
  const one = town.enter("a", "192.0.2.1:50000", CARLA);
  assertEquals(town.map.whyNotIn(CARLA, "b"), null);
  town.enter("b", "192.0.2.1:50001", CARLA);
  const full = 'Token "carla" has reached its max_clients (2)';
  assertEquals([town.map.whyNotIn(CARLA, "c"), town.map.whyNotIn(CARLA, "b")], [full, null]);
  assertEquals(town.map.whyNotIn(BOB, "c"), null, "that is another token");
  one.close();
  stage.step(3);
  assertEquals(town.map.whyNotIn(CARLA, "c"), null);
});

testTown("at max_clients a client that was started again takes the place of one that is silent", (town, stage) => {
  town.enter("a", "192.0.2.1:50000", CARLA);
  const other = town.enter("b", "192.0.2.1:50001", CARLA);
  stage.advance(1.6 * HEARTBEAT_MS);
  assertEquals(town.exchange(other, { type: "Heartbeat" }).length, 2);
  assertEquals(town.map.whyNotIn(CARLA, "c"), null, "the first one has been silent for half of heartbeat_timeout");
  town.enter("c", "192.0.2.1:50002", CARLA);
  assertEquals(town.lines.filter((line) => line.startsWith("Client has gone")), [
    "Client has gone client=1 address=192.0.2.1:50000 reason=silent, and another client of its token has come",
  ]);
  assert(town.map.whyNotIn(CARLA, "d") !== null);
});

testTown("a client is refused when its token has its share of the descriptors", (town) => {
  town.room = false;
  assertEquals(town.map.whyNotIn(CARLA, "a"), 'Token "carla" has its share of the server\'s descriptors');
});

/** Bob's tunnel on a port is up, and then Bob is lost. */
function lose(town: Town, stage: Stage, port: number, rules = BOB): void {
  const lost = town.enter("lost", "192.0.2.1:50000", rules);
  town.ask(lost, 1, port);
  town.opened(lost, lastListened(town), port);
  lost.close();
  stage.step(3);
}

function lastListened({ deeds }: Town): number {
  return Number(/^listen (\d+) /.exec(deeds.findLast((deed) => deed.startsWith("listen"))!)![1]);
}

const KEPT = ["port_hold", "Port 8000 is kept for a client with another token that was lost a moment ago"];

testTown("the port of a client that was lost is kept for its token, and for no other", (town, stage) => {
  lose(town, stage, 8000);
  const other = town.enter("other", "192.0.2.2:50000", ALICE);
  assertEquals(refusedBy(town.ask(other, 1, 8000)), KEPT);
  assertEquals(refusedBy(town.ask(town.enter("all"), 1, 8000)), KEPT, "nor for one without rules");
  const back = town.enter("a new process", "192.0.2.1:50001", BOB);
  assertEquals(town.ask(back, 1, 8000, "another name"), []);
  assertEquals(refusedBy(town.ask(other, 1, 8000)), ["", "Port 8000 belongs to a client with another token"]);
});

testTown("a port is kept for so long and not longer, and again each time that its client is lost", (town, stage) => {
  lose(town, stage, 8000);
  stage.advance(HOLD_MS - 100);
  lose(town, stage, 8000);
  stage.advance(HOLD_MS - 100);
  const other = town.enter("other", "192.0.2.2:50000", ALICE);
  assertEquals(refusedBy(town.ask(other, 1, 8000)), KEPT);
  stage.advance(200);
  assertEquals(town.ask(other, 1, 8000), []);
});

testTown("a port that its client gave up, or never got, is kept for nobody", (town, stage) => {
  const [one, other] = [town.enter("a", "192.0.2.1:50000", BOB), town.enter("b", "192.0.2.2:50000", ALICE)];
  town.ask(one, 1, 8000);
  town.opened(one, 1, 8000);
  town.exchange(one, { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "done" });
  town.ask(one, 2, 8001);
  one.close();
  stage.step(3);
  assertEquals([town.ask(other, 1, 8000), town.ask(other, 2, 8001)], [[], []]);
});

testTown(
  "a port that is kept is not given to a tunnel that asks for any, also when the kernel chooses it",
  (town, stage) => {
    lose(town, stage, 8000);
    const other = town.enter("other", "192.0.2.2:50000");
    town.ask(other, 1, 0);
    const id = lastListened(town);
    assertEquals(town.opened(other, id, 8000), []);
    assertEquals(town.deeds.slice(-2), [`unlisten ${id}`, `listen ${id + 1} 0 for 2`]);
    town.map.tunnels.onUnlistened(id);
    const rsp = only(town.opened(other, id + 1, 40_000), "NewTunnelRsp");
    assert(rsp.ok);
    const few = grant({ id: 5, name: "few", token: "f", ports: [{ low: 8000, high: 8001 }] });
    const third = town.enter("third", "192.0.2.3:50000", few);
    town.ask(third, 1, 0);
    assertEquals(town.deeds.at(-1), `listen ${id + 2} 8001 for 3`);
  },
);

testTown("a port is kept on all addresses where it could not be opened beside its owner", (town, stage) => {
  lose(town, stage, 8000);
  const near = grant({ id: 6, name: "near", token: "n", bind: "127.0.0.1" });
  assertEquals(refusedBy(town.ask(town.enter("near", "192.0.2.1:50000", near), 1, 8000)), KEPT);
  lose(town, stage, 8001, near);
  const far = grant({ id: 7, name: "far", token: "f", bind: "::1" });
  assertEquals(town.ask(town.enter("far", "192.0.2.1:50000", far), 1, 8001), []);
});

testTown("a client that logs in again while its former connection stands keeps its port from others", (town) => {
  const former = town.enter("a", "192.0.2.1:50000", BOB);
  town.ask(former, 1, 8000);
  town.opened(former, 1, 8000);
  const back = town.enter("a", "192.0.2.1:50001", BOB);
  assertEquals(refusedBy(town.ask(town.enter("b", "192.0.2.2:50000", ALICE), 1, 8000)), KEPT);
  assertEquals(town.ask(back, 1, 8000), []);
});

testTown("a tunnel is said to be down when its port is closed, and not before", (town, stage) => {
  const client = town.enter("a");
  town.ask(client, 1, 8000, "web");
  town.opened(client, 1, 8000);
  town.closesAtOnce = false;
  client.close();
  stage.step(3);
  const down = "Tunnel is down name=web public=0.0.0.0:8000 client=1 reason=closed by the peer";
  assert(town.deeds.includes("unlisten 1") && !town.lines.includes(down));
  town.map.tunnels.onUnlistened(1);
  assertEquals(town.lines.at(-1), down);
});

testTown(
  "at the end of the program every tunnel is said to be down once, whichever Worker sees the end first",
  (town) => {
    const client = town.enter("a");
    for (const no of [1, 2, 3]) {
      town.ask(client, no, 8000 + no);
      town.opened(client, no, 8000 + no);
    }
    town.map.tunnels.onUnlistened(1);
    town.map.tunnels.drain();
    town.map.tunnels.onUnlistened(2);
    town.map.stop();
    assertEquals(
      town.lines.filter((line) => line.startsWith("Tunnel is down")).toSorted(),
      [1, 2, 3].map((no) => (
        `Tunnel is down name=tunnel ${no} public=0.0.0.0:${8000 + no} client=1 reason=the server stops`
      )),
    );
  },
);
