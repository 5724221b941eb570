// The client's tunnels: asked for at every login, up, refused and asked for again.

import { TunnelMap } from "../core/client/control/tunnel_map.ts";
import type { TunnelPlan } from "../core/client/worker_config.ts";
import { CtlConn } from "../core/protocol/ctl_conn.ts";
import { tunnelNo } from "./support/ids.ts";
import type { CtlMessage } from "../core/protocol/messages.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { messagesAt, only } from "./support/ctl_peer.ts";
import { newTunnelReq } from "./support/messages.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

const PLANS: TunnelPlan[] = [
  { name: "web", remotePort: 8000, allow: [], deny: [], local: "127.0.0.1:80" },
  { name: "any", remotePort: 0, allow: [], deny: [], local: "unix:/run/app.sock" },
];

class Client {
  readonly map: TunnelMap;
  readonly lines: string[] = [];
  readonly shown: string[] = [];
  readonly ports: string[] = [];
  readonly #stage: Stage;
  #conn: CtlConn | null = null;

  constructor(stage: Stage, plans = PLANS, serverHost = "server.example") {
    this.#stage = stage;
    this.map = new TunnelMap(
      stage.loop,
      plans,
      serverHost,
      (level, message, fields) => {
        this.lines.push([level, message, ...Object.entries(fields).map(([k, v]) => `${k}=${v}`)].join(" "));
      },
      (no, up, { public: address }) => this.shown.push(`${no} ${up ? "up" : "down"} ${address}`),
      ({ tunnel, port, here, onThisHost, bound }) => {
        this.ports.push(
          `${tunnel} ${port}${here ? " here" : ""}${onThisHost ? " everywhere" : ""}${
            bound ? ` ${bound.map((word) => word >>> 0)}` : ""
          }`,
        );
      },
    );
  }

  /** A login has succeeded; the test is the server. */
  connect(): Peer {
    const { fd, peer } = this.#stage.connectUnwatched();
    this.#conn = new CtlConn(this.#stage.loop, fd, { onMessage() {}, onClosed() {} }, 5000);
    this.#conn.startHeartbeats(1e9, 1e9);
    this.map.onConnected(this.#conn);
    this.#stage.step(2);
    return peer;
  }

  up(no: number, port: number, address = "0.0.0.0", allow: string[] = [], deny: string[] = []): void {
    const inForce = { address, remote_port: port, allow, deny };
    this.map.onResponse({ type: "NewTunnelRsp", tunnel: tunnelNo(no), ok: true, ...inForce });
  }

  refuse(no: number, reason: string, rule = ""): void {
    this.map.onResponse({ type: "NewTunnelRsp", tunnel: tunnelNo(no), ok: false, rule, reason });
  }

  disconnect(): void {
    this.#conn?.close();
    this.map.onDisconnected();
    this.#stage.step();
  }
}

function testClient(name: string, body: (client: Client, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const client = new Client(stage);
    try {
      body(client, stage);
    } finally {
      client.disconnect();
    }
  });
}

testClient("every tunnel is asked for after a login, with the port of the configuration", (client) => {
  const server = client.connect();
  assertEquals(messagesAt(server), [newTunnelReq(1, "web", 8000), newTunnelReq(2, "any", 0)]);
});

testClient("a tunnel that is up is told with the address that the public uses", (client) => {
  client.connect();
  client.up(1, 8000);
  client.up(2, 40_000, "192.0.2.9");
  assertEquals(client.lines, [
    "info Tunnel is up name=web public=server.example:8000 local=127.0.0.1:80",
    "info Tunnel is up name=any public=192.0.2.9:40000 local=unix:/run/app.sock",
  ]);
});

testClient("a tunnel is shown when it comes up and when it goes down, once each", (client) => {
  client.connect();
  client.up(1, 8000);
  client.up(2, 40_000);
  client.map.onClosed({ type: "CloseTunnel", tunnel: tunnelNo(2), reason: "maintenance" });
  client.disconnect();
  assertEquals(client.shown, [
    "1 up server.example:8000",
    "2 up server.example:40000",
    "2 down server.example:40000",
    "1 down server.example:8000",
  ]);
});

testClient("ports are told, with whether they are open at the address of the ctl_conn", (client) => {
  client.connect();
  client.up(1, 8000);
  client.up(2, 40_000, "192.0.2.9");
  client.map.onClosed({ type: "CloseTunnel", tunnel: tunnelNo(2), reason: "maintenance" });
  client.disconnect();
  client.connect();
  client.up(1, 8000, "127.0.0.1");
  assertEquals(client.ports, [
    "1 8000 here everywhere",
    "2 40000 0,0,65535,3221225993",
    "2 0",
    "1 8000 here 0,0,65535,2130706433",
  ]);
});

testOnStage("an IPv6 address is put in brackets", (stage) => {
  const client = new Client(stage, PLANS, "2001:db8::1");
  client.connect();
  client.up(1, 8000, "::");
  assertEquals(client.lines, ["info Tunnel is up name=web public=[2001:db8::1]:8000 local=127.0.0.1:80"]);
  client.disconnect();
});

testClient("after a reconnect a tunnel asks for the port that it had", (client) => {
  client.connect();
  client.up(1, 8000);
  client.up(2, 40_000);
  client.disconnect();
  const server = client.connect();
  assertEquals(messagesAt(server), [newTunnelReq(1, "web", 8000), newTunnelReq(2, "any", 40_000)]);
});

testClient("a refused tunnel is told with the reason, and asked for again later and later", (client, stage) => {
  const server = client.connect();
  client.up(2, 40_000);
  messagesAt(server);
  const waits: number[] = [];
  for (let i = 0; i < 4; i++) {
    client.refuse(1, "Port 8000 is taken");
    assertEquals(client.lines.at(-1), "warning Tunnel is refused name=web port=8000 reason=Port 8000 is taken");
    let wait = 0;
    let asked: CtlMessage[] = [];
    for (; asked.length === 0 && wait < 60_000; wait += 250) {
      stage.advance(250);
      asked = messagesAt(server);
    }
    assertEquals(asked, [newTunnelReq(1, "web", 8000)], "only the one that is down");
    waits.push(wait);
  }
  assert(waits[0] >= 1000 && waits[0] <= 2250, `${waits}`);
  assert(waits[3] > waits[0], `${waits}`);
});

testClient("a port that the server once chose is not insisted on for ever", (client, stage) => {
  const server = client.connect();
  client.up(2, 40_000);
  client.disconnect();
  const again = client.connect();
  client.up(1, 8000);
  messagesAt(again);
  for (let i = 0; i < 5; i++) {
    client.refuse(2, "Port 40000 is taken");
    for (let ms = 0; ms < 60_000 && again.read().count === 0; ms += 1000) stage.advance(1000);
    const { remote_port } = only(messagesAt(again), "NewTunnelReq");
    assertEquals(remote_port, i < 4 ? 40_000 : 0);
  }
  server.close();
});

testClient("a configured port is insisted on", (client, stage) => {
  const server = client.connect();
  client.up(2, 40_000);
  messagesAt(server);
  for (let i = 0; i < 8; i++) {
    client.refuse(1, "Port 8000 is taken");
    for (let ms = 0; ms < 60_000 && server.read().count === 0; ms += 1000) stage.advance(1000);
    assertEquals(only(messagesAt(server), "NewTunnelReq").remote_port, 8000);
  }
});

testClient("a tunnel that the server closes is asked for again", (client, stage) => {
  const server = client.connect();
  client.up(1, 8000);
  client.up(2, 40_000);
  messagesAt(server);
  client.map.onClosed({ type: "CloseTunnel", tunnel: tunnelNo(2), reason: "maintenance" });
  assertEquals(client.lines.at(-1), "warning Tunnel is closed by the server name=any reason=maintenance");
  stage.advance(2000);
  assertEquals(messagesAt(server), [newTunnelReq(2, "any", 40_000)]);
});

testClient("answers that were not asked for change nothing", (client) => {
  client.connect();
  client.up(7, 1234);
  client.up(1, 8000);
  client.up(1, 9999);
  client.map.onClosed({ type: "CloseTunnel", tunnel: tunnelNo(2), reason: "not up" });
  assertEquals(client.lines.length, 1);
});

testClient(
  "a client that stops closes the tunnels that it has or has asked for, and asks for none again",
  (client, stage) => {
    const server = client.connect();
    client.up(1, 8000);
    client.refuse(2, "no");
    messagesAt(server);
    client.map.closeAll();
    stage.step();
    assertEquals(messagesAt(server), [{ type: "CloseTunnel", tunnel: tunnelNo(1), reason: "the client stops" }]);
    stage.advance(60_000);
    assertEquals(messagesAt(server), []);
    client.disconnect();
    const again = client.connect();
    stage.advance(60_000);
    assertEquals(messagesAt(again), [], "a ctl_conn that comes back while the program stops");
  },
);

testClient("nothing is asked for while there is no ctl_conn", (client, stage) => {
  client.connect();
  client.refuse(1, "no");
  client.disconnect();
  stage.advance(60_000);
  assertEquals(client.lines.length, 1);
});

testClient("a port that the rules forbid is not asked for again before the next login", (client, stage) => {
  const server = client.connect();
  client.up(2, 40_000);
  messagesAt(server);
  client.refuse(1, 'Token "a" may use ports 9000, and not port 8000', "ports");
  assertEquals(
    client.lines.at(-1),
    'warning Tunnel is refused name=web port=8000 reason=Token "a" may use ports 9000, and not port 8000 rule=ports',
  );
  stage.advance(120_000);
  assertEquals(messagesAt(server), []);
  client.disconnect();
  assertEquals(messagesAt(client.connect()), [newTunnelReq(1, "web", 8000), newTunnelReq(2, "any", 40_000)]);
});

testClient("a port that the server once chose and that the rules forbid now is given up at once", (client, stage) => {
  client.connect();
  client.up(2, 40_000);
  client.disconnect();
  const again = client.connect();
  client.up(1, 8000);
  messagesAt(again);
  client.refuse(2, 'Token "a" may use ports 9000, and not port 40000', "ports");
  stage.advance(2000);
  assertEquals(messagesAt(again), [newTunnelReq(2, "any", 0)]);
});

testClient("a tunnel beyond max_tunnels is asked for again later, for others may go", (client, stage) => {
  const server = client.connect();
  client.up(2, 40_000);
  messagesAt(server);
  client.refuse(1, 'Token "a" has reached its max_tunnels (1)', "max_tunnels");
  stage.advance(900);
  assertEquals(messagesAt(server), []);
  stage.advance(1200);
  assertEquals(messagesAt(server), [newTunnelReq(1, "web", 8000)]);
});

testOnStage(
  "a tunnel whose lists or port the server does not keep to is closed, not served, and said to be so",
  (stage) => {
    const lists = { allow: ["192.0.2.0/24"], deny: ["192.0.2.7/32"] };
    const plans = [1, 2, 3].map((no) => ({ name: `t${no}`, remotePort: 8000 + no, ...lists, local: "127.0.0.1:80" }));
    const client = new Client(stage, plans);
    const server = client.connect();
    messagesAt(server);
    client.up(1, 8001, "0.0.0.0", [], lists.deny);
    client.up(2, 9000, "0.0.0.0", lists.allow, []);
    client.up(3, 8003, "0.0.0.0", ["::ffff:192.0.2.0/120"], lists.deny);
    stage.step();
    const closed = messagesAt(server).map((message) =>
      message.type === "CloseTunnel" ? message.tunnel as number : message
    );
    assertEquals(closed, [1, 2]);
    const message = "error Tunnel is not served: the server ignores a part of what it was asked for";
    assertEquals(client.lines.slice(0, 2), [
      `${message} name=t1 port=8001 ignored=allow`,
      `${message} name=t2 port=8002 ignored=deny, remote_port`,
    ]);
    assertEquals(client.shown.length, 1, "the third is up: its range is only written otherwise");
    stage.advance(600_000);
    assertEquals(messagesAt(server), [], "and it is not asked for again before the next login");
    client.disconnect();
  },
);
