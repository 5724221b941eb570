// The client's link to its server: which address is tried when, and how soon again.

import { ServerLink } from "../core/client/control/server_link.ts";
import type { Meaning } from "../core/client/remembered_name.ts";
import type { CtlConn } from "../core/protocol/ctl_conn.ts";
import { controlId } from "./support/ids.ts";
import { Login } from "../core/server/control/login.ts";
import { close, type Descriptor } from "../ffi/descriptor.ts";
import { resetOnClose } from "../ffi/socket.ts";
import { formatAddress, internetAddress, type SocketAddress } from "../ffi/socket_address.ts";
import { assert, assertEquals, assertMatch, assertStringIncludes } from "./support/assert.ts";
import { grant } from "./support/grants.ts";
import { accepted, listenSomewhere, refusingAddress, silentAddress, type Stage, testOnStage } from "./support/stage.ts";

const LOOPBACK = internetAddress("127.0.0.1", 4711)!;

/** A link, and what its Worker hears of it. */
class Client {
  readonly link: ServerLink;
  readonly lines: string[] = [];
  asked = 0;
  /** The place of the address of each login, and the present ctl_conn. */
  readonly ups: number[] = [];
  conn: CtlConn | null = null;

  constructor(stage: Stage, heartbeatTimeoutMs = 25_000) {
    const config = {
      server: "server.example:8080",
      serverHost: "server.example",
      program: "test",
      tunnels: [],
      relays: 1,
      token: null,
      heartbeatIntervalMs: 10_000,
      heartbeatTimeoutMs,
    };
    this.link = new ServerLink(stage.loop, config, "test", {
      onResolve: () => this.asked++,
      onUp: (conn, address) => {
        this.ups.push(address);
        this.conn = conn;
      },
      onCtlMessage() {},
      onDown() {},
      log: (_level, _message, { reason, retry_in_ms }) => this.lines.push(`${reason} ${retry_in_ms}`),
    });
    this.link.start();
  }

  resolved(addresses: readonly SocketAddress[], more: Partial<Meaning> = {}): void {
    this.link.onResolved({ addresses, reason: "", answered: true, ...more });
  }

  /** The delay that the last line tells. */
  get delay(): number {
    return Number(this.lines.at(-1)!.split(" ").at(-1));
  }
}

/** A server at `listener` lets the client in. Returns the types of what it hears from then on. */
function letIn(stage: Stage, listener: Descriptor, client: Client): string[] {
  const heard: string[] = [];
  const before = client.ups.length;
  const fd = accepted(listener);
  new Login(stage.loop, fd, LOOPBACK, [grant()], {
    whyNotIn: () => null,
    onLoggedIn: ({ conn, proof }) => {
      const control = controlId(1);
      conn.send({ type: "NewCtlRsp", ok: true, proof, proxy_port: 1, heartbeat_timeout_ms: 25_000, control });
      return { onMessage: ({ type }) => void heard.push(type), onClosed: () => conn.close() };
    },
    onLoginBegun() {},
    delayMs: () => 0,
    onProofShown() {},
    mayCompareNow: () => true,
    onWrongProof() {},
    onLoginFailed() {},
    onStrangerGone() {},
  });
  stage.until(() => client.ups.length > before, "the login");
  return heard;
}

/** Ends the ctl_conn with a reset. */
function lose(stage: Stage, client: Client): void {
  const lines = client.lines.length;
  resetOnClose(client.conn!.fd);
  client.conn!.close();
  client.link.onClosed("lost");
  stage.step();
  assertEquals(client.lines.length, lines + 1);
}

testOnStage(
  "when an address does not answer the next one is tried, and the one that worked comes first from then on",
  (stage) => {
    const silent = silentAddress(stage);
    const server = listenSomewhere();
    const client = new Client(stage);
    client.resolved([silent, server.address]);
    stage.advance(200);
    stage.step(2);
    assertEquals(client.ups, []);
    stage.advance(100);
    letIn(stage, server.fd, client);
    assertEquals(client.ups, [1]);

    lose(stage, client);
    stage.advance(client.delay);
    assertEquals(client.asked, 2);
    const elsewhere = listenSomewhere();
    // the list may come in another order, and what counts is the address
    client.resolved([silent, elsewhere.address, server.address]);
    letIn(stage, server.fd, client);
    assertEquals(client.ups, [1, 2]);

    lose(stage, client);
    stage.advance(client.delay);
    client.resolved([elsewhere.address, silent]);
    letIn(stage, elsewhere.fd, client);
    assertEquals(client.ups, [1, 2, 0]);
    client.conn!.close();
    client.link.stop();
    for (const { fd } of [server, elsewhere]) close(fd);
    stage.step(3);
  },
);

testOnStage("a client with little patience asks in time for an answer", (stage) => {
  const server = listenSomewhere();
  const client = new Client(stage, 1001);
  client.resolved([server.address]);
  const heard = letIn(stage, server.fd, client);
  stage.advance(501);
  stage.until(() => heard.length > 0, "a heartbeat");
  assertEquals(heard, ["Heartbeat"]);
  client.conn!.close();
  client.link.stop();
  close(server.fd);
  stage.step(3);
});

testOnStage("when the address that worked is refused, the others are tried, each once", (stage) => {
  const [one, other] = [refusingAddress(), refusingAddress()];
  const server = listenSomewhere();
  const client = new Client(stage);
  client.resolved([one, server.address]);
  stage.step(3);
  letIn(stage, server.fd, client);
  close(server.fd);
  lose(stage, client);
  stage.advance(client.delay);
  client.resolved([one, server.address, other]);
  stage.until(() => client.lines.length === 2, "an end of the attempt");
  assertStringIncludes(client.lines[1], `${formatAddress(one)}: connection refused`);
  client.link.stop();
  stage.step(3);
});

testOnStage("an address where the login fails comes last in the next attempt", (stage) => {
  const [other, server] = [listenSomewhere(), listenSomewhere()];
  const client = new Client(stage);
  client.resolved([other.address, server.address]);
  const stranger = stage.peer(accepted(other.fd));
  stage.step(3);
  stranger.reset();
  stage.until(() => client.lines.length === 1, "an end of the attempt");
  stage.advance(client.delay);
  client.resolved([other.address, server.address]);
  letIn(stage, server.fd, client);
  assertEquals(client.ups, [1]);
  client.conn!.close();
  client.link.stop();
  for (const { fd } of [other, server]) close(fd);
  stage.step(3);
});

testOnStage("a server that answers is asked again later and later", (stage) => {
  const address = refusingAddress();
  const client = new Client(stage);
  for (const shortest of [1000, 2000, 4000, 8000, 15_000, 15_000]) {
    client.resolved([address]);
    const lines = client.lines.length;
    stage.until(() => client.lines.length > lines, "an end of the attempt");
    assertMatch(client.lines.at(-1)!, /: connection refused /);
    assert(client.delay >= shortest && client.delay <= 2 * shortest, `${client.delay} ms`);
    stage.advance(client.delay);
  }
  client.link.stop();
});

testOnStage(
  "a server that is out of reach is asked again every few seconds, and two lines in a minute are enough",
  (stage) => {
    const silent = silentAddress(stage);
    const client = new Client(stage);
    const attempts = 18;
    for (let i = 1; i <= attempts; i++) {
      assertEquals(client.asked, i, "Attempts");
      client.resolved([silent]);
      stage.advance(3100); // nobody answers
      stage.advance(200);
    }
    assertEquals(client.lines.length, 2);
    assertStringIncludes(client.lines[0], `${formatAddress(silent)} is out of reach: no answer in time 100`);
    client.link.stop();
    stage.step(2);
  },
);

testOnStage(
  "a name server that is out of reach is asked again soon, and one that knows of no address is not",
  (stage) => {
    const client = new Client(stage);
    for (let i = 1; i <= 5; i++) {
      client.resolved([], { answered: false, reason: "nobody there" });
      stage.advance(2000);
      assertEquals(client.asked, i + 1, "Attempts");
    }
    assertEquals(client.lines.length, 1);
    for (const shortest of [1000, 2000, 4000]) {
      client.resolved([], { answered: true, reason: "no such name" });
      assert(client.delay >= shortest && client.delay <= 2 * shortest, `${client.delay} ms`);
      stage.advance(client.delay);
    }
    client.link.stop();
  },
);

testOnStage("when something around the client changes, it does not wait for its back-off", (stage) => {
  const server = listenSomewhere();
  const client = new Client(stage);
  for (let i = 1; i <= 4; i++) {
    client.resolved([refusingAddress()]);
    stage.until(() => client.lines.length === i, "an end of the attempt");
    client.link.onChange("the network has changed");
    assertEquals(client.asked, i + 1);
  }
  client.resolved([silentAddress(stage)]);
  client.link.onChange("the network has changed"); // it has just begun
  assertEquals(client.asked, 5);
  stage.advance(1500);
  client.link.onChange("the network has changed");
  assertEquals(client.asked, 6);
  client.resolved([server.address]);
  letIn(stage, server.fd, client);
  client.link.onChange("the clock has jumped");
  stage.advance(10_000);
  assertEquals([client.ups.length, client.asked], [1, 6]);
  client.link.stop();
  stage.until(() => stage.loop.timers.size === 0, "an end in order");
  close(server.fd);
});

testOnStage("an address from before is tried, and the line says that it is one", (stage) => {
  const client = new Client(stage);
  client.resolved([refusingAddress()], { answered: false, reason: "nobody there" });
  stage.until(() => client.lines.length === 1, "an end of the attempt");
  assertMatch(client.lines[0], /: connection refused; an address from before, as nobody there /);
  client.link.stop();
  stage.step();
});

testOnStage("a link that is lost while the program stops is not made again, and nobody is warned", (stage) => {
  const server = listenSomewhere();
  const client = new Client(stage);
  client.resolved([server.address]);
  stage.step(3);
  letIn(stage, server.fd, client);
  client.link.drain();
  resetOnClose(client.conn!.fd);
  client.conn!.close();
  client.link.onClosed("lost");
  stage.advance(60_000);
  assertEquals([client.lines, client.asked, stage.loop.timers.size], [[], 1, 0]);
  close(server.fd);
});

testOnStage("a link that is not up when the program stops is given up, whatever it waits for", (stage) => {
  const server = listenSomewhere();
  const resolving = new Client(stage);
  resolving.link.drain();
  const connecting = new Client(stage);
  connecting.resolved([server.address]);
  connecting.link.drain();
  const refused = new Client(stage);
  refused.resolved([]);
  assertEquals(refused.lines.length, 1);
  refused.link.drain();
  stage.advance(60_000);
  resolving.resolved([server.address]);
  assertEquals([resolving.lines, connecting.lines, refused.asked, stage.loop.timers.size], [[], [], 1, 0]);
  close(accepted(server.fd));
  close(server.fd);
});
