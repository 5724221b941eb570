// How a connection becomes a ProxyConn: the client's connector, the server's preamble reader, and the ticket.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { listenOn } from "../ffi/socket.ts";
import type { SocketAddress } from "../ffi/socket_address.ts";
import { ProxyConnector, TICKET_MS } from "../core/client/relay/proxy_connector.ts";
import { proxyId } from "./support/ids.ts";
import { encodePreambleAndMeta, PREAMBLE_BYTES } from "../core/protocol/proxy_frame.ts";
import { newTicket, type Ticket } from "../core/protocol/ticket.ts";
import { StreamSocket } from "../core/reactor/stream_socket.ts";
import { ProxyGreeting } from "../core/server/control/proxy_greeting.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { withoutDescriptors } from "./support/descriptors.ts";
import { accepted, listenSomewhere, type Peer, type Stage, testOnStage } from "./support/stage.ts";

const TICKET = newTicket();
const GREETING = encodePreambleAndMeta(3, proxyId(42), TICKET);

/** A connector, and what came of it. */
class Errand {
  readonly connector: ProxyConnector;
  readonly failed: string[] = [];
  socket: StreamSocket | null = null;

  constructor(stage: Stage, address: SocketAddress) {
    this.connector = new ProxyConnector(
      stage.loop,
      { proxy: proxyId(42), worker: 3, notices: false, ticket: TICKET, deadline: stage.loop.now + TICKET_MS },
      address,
      {
        onProxyConnected: (_connector, socket) => this.socket = socket,
        onProxyFailed: (_connector, reason) => this.failed.push(reason),
      },
    );
    this.connector.start();
  }

  done(): void {
    this.connector.cancel();
    this.socket?.close();
  }
}

testOnStage("a ProxyConn begins with preamble and ticket", (stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  const errand = new Errand(stage, address);
  stage.until(() => errand.socket !== null, "the connection");
  assertEquals(stage.peer(accepted(fd)).read().take(), GREETING);
  assertEquals([errand.failed, stage.loop.timers.size], [[], 0]);
  errand.done();
});

testOnStage("a connector tries again while nobody listens, until there is someone", (stage) => {
  const { fd, address } = listenSomewhere();
  close(fd);
  const errand = new Errand(stage, address);
  for (let i = 0; i < 8; i++) {
    stage.advance(250);
    stage.step();
  }
  assertEquals([errand.socket, errand.failed], [null, []]);
  const listener = listenOn(address) as Descriptor;
  stage.peer(listener);
  stage.advance(300);
  stage.until(() => errand.socket !== null, "the connection");
  assertEquals(stage.peer(accepted(listener)).read().take(), GREETING);
  errand.done();
});

testOnStage("a connector gives up before its ticket is worthless", (stage) => {
  const { fd, address } = listenSomewhere();
  close(fd);
  const errand = new Errand(stage, address);
  for (let i = 0; i < 40; i++) {
    stage.advance(250);
    stage.step();
  }
  assertEquals([errand.socket, errand.failed, stage.loop.timers.size], [null, ["connection refused"], 0]);
});

testOnStage("a connector without a descriptor tries again", (stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  let errand: Errand | null = null;
  withoutDescriptors((free) => {
    errand = new Errand(stage, address);
    stage.advance(300);
    assertEquals(errand.socket, null);
    free();
    stage.advance(300);
    stage.step(2);
    assert(errand.socket !== null);
  });
  stage.peer(accepted(fd));
  errand!.done();
});

testOnStage("a connector that is cancelled leaves nothing behind", (stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  const errand = new Errand(stage, address);
  errand.done();
  stage.advance(20_000);
  assertEquals([errand.socket, errand.failed, stage.loop.timers.size], [null, [], 0]);
});

/** The server's control Worker, with four relay Workers. */
class Gate {
  readonly passed: { fd: Descriptor; relay: number; proxy: number; ticket: Ticket }[] = [];
  readonly refused: string[] = [];
  readonly far: Peer;
  readonly greeting: ProxyGreeting;
  /** How often a greeting that was waited for came to its end. */
  gone = 0;

  constructor(stage: Stage, first: Uint8Array = new Uint8Array()) {
    const { fd, peer } = stage.connectUnwatched();
    this.far = peer;
    if (first.length > 0) peer.sendAll(first);
    this.greeting = new ProxyGreeting(stage.loop, fd, {
      onGreeting: (fd, relay, { proxy, ticket }) => {
        if (relay >= 4) return false;
        stage.peer(fd);
        this.passed.push({ fd, relay, proxy, ticket });
        return true;
      },
      onGreetingRefused: (reason) => this.refused.push(reason),
      onStrangerGone: () => this.gone++,
    });
    stage.step();
  }
}

testOnStage("a greeting that has come already is read at once, and what follows it stays in the socket", (stage) => {
  const gate = new Gate(stage, new Uint8Array([...GREETING, 1, 2, 3]));
  const [{ fd, relay, proxy, ticket }] = gate.passed;
  assertEquals([relay, proxy, ticket], [3, 42, TICKET]);
  assertEquals(stage.peer(fd).read().take(), new Uint8Array([1, 2, 3]));
  assertEquals([stage.loop.timers.size, gate.greeting.isPending, gate.gone], [0, false, 0]);
});

testOnStage("a greeting may come byte by byte, and its connection can then be watched by another Worker", (stage) => {
  const gate = new Gate(stage);
  for (let i = 0; i < GREETING.length; i++) {
    assertEquals([gate.passed, gate.greeting.isPending], [[], true]);
    gate.far.sendAll(GREETING.subarray(i, i + 1));
    stage.step();
  }
  const [{ fd, relay, proxy, ticket }] = gate.passed;
  assertEquals([relay, proxy, ticket, stage.loop.timers.size, gate.gone], [3, 42, TICKET, 0, 1]);
  const socket = new StreamSocket(stage.loop, fd);
  gate.far.sendAll("x");
  stage.step();
  assert(socket.readable);
  stage.loop.remove(socket);
});

testOnStage("what is no greeting is refused as soon as that is clear, with the reason", (stage) => {
  const wrong: [Uint8Array, string][] = [
    [new TextEncoder().encode("GET / HT"), "A connection to the proxy port that is no ProxyConn"],
    [encodePreambleAndMeta(4, proxyId(1), TICKET), "no relay Worker 4"],
    [GREETING.slice(0, PREAMBLE_BYTES).map((byte, i) => i === 4 ? byte + 1 : byte), "A ProxyConn of protocol version "],
    [GREETING.map((byte, i) => i >= PREAMBLE_BYTES ? 0 : byte), "Expected ProxyMetaSet behind the preamble"],
  ];
  for (const [bytes, reason] of wrong) {
    const gate = new Gate(stage, bytes);
    assertEquals([gate.passed.length, gate.refused.length], [0, 1]);
    assert(gate.refused[0].startsWith(reason), gate.refused[0]);
    stage.until(() => gate.far.read().state !== "open", "the end of the connection");
  }
});

testOnStage("a connection that ends before its greeting does, or takes too long, is refused", (stage) => {
  for (const [bytes, reason] of [[5, "it ended before its preamble"], [35, "it ended before its ticket"]] as const) {
    const ended = new Gate(stage, GREETING.subarray(0, bytes));
    ended.far.finish();
    stage.step();
    assertEquals([ended.refused, ended.gone], [[reason], 1]);
  }
  for (const bytes of [0, 5, 35]) {
    const slow = new Gate(stage, GREETING.subarray(0, bytes));
    stage.advance(1900);
    assertEquals(slow.refused, []);
    stage.advance(200);
    assertEquals([slow.refused, slow.gone], [["no greeting in time"], 1]);
    stage.until(() => slow.far.read().state !== "open", "the end of the connection");
  }
});

testOnStage("a greeting that has to make room is closed", (stage) => {
  const gate = new Gate(stage);
  gate.greeting.evict();
  stage.step();
  assertEquals([gate.refused, gate.gone, gate.far.read().state], [["too many strangers"], 1, "end"]);
});
