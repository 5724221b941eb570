// How a connection becomes a ProxyConn: the client's connector, the server's preamble reader, and the ticket.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { listenOn } from "../ffi/socket.ts";
import type { SocketAddress } from "../ffi/socket_address.ts";
import { ProxyConnector } from "../core/client/proxy_connector.ts";
import { proxyId } from "../core/protocol/ids.ts";
import { encodePreambleAndMeta, PREAMBLE_BYTES } from "../core/protocol/preamble.ts";
import { newTicket, sameTicket } from "../core/protocol/ticket.ts";
import { StreamSocket } from "../core/reactor/stream_socket.ts";
import { PreambleReader } from "../core/server/preamble_reader.ts";
import { ProxyGreeting } from "../core/server/proxy_greeting.ts";
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
    this.connector = new ProxyConnector(stage.loop, proxyId(42), 3, TICKET, address, {
      onProxyConnected: (_connector, socket) => this.socket = socket,
      onProxyFailed: (_connector, reason) => this.failed.push(reason),
    });
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
  assertEquals([errand.socket, errand.failed, stage.loop.timers.size], [null, ["ECONNREFUSED"], 0]);
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
  readonly passed: { fd: Descriptor; relay: number }[] = [];
  readonly refused: string[] = [];
  readonly far: Peer;

  constructor(stage: Stage, first: Uint8Array = new Uint8Array()) {
    const { fd, peer } = stage.connectUnwatched();
    this.far = peer;
    if (first.length > 0) peer.sendAll(first);
    new PreambleReader(stage.loop, fd, {
      onPreamble: (fd, relay) => {
        if (relay >= 4) return false;
        stage.peer(fd);
        this.passed.push({ fd, relay });
        return true;
      },
      onPreambleRefused: (reason) => this.refused.push(reason),
    });
    stage.step();
  }
}

testOnStage(
  "a preamble that has come already names the relay Worker, and what follows stays in the socket",
  (stage) => {
    const gate = new Gate(stage, GREETING);
    const [{ fd, relay }] = gate.passed;
    assertEquals(relay, 3);
    const rest = stage.peer(fd).read().take();
    assertEquals(rest, GREETING.slice(PREAMBLE_BYTES));
    assertEquals(stage.loop.timers.size, 0);
  },
);

testOnStage("a preamble may come byte by byte, and its connection can then be watched by another Worker", (stage) => {
  const gate = new Gate(stage);
  for (let i = 0; i < PREAMBLE_BYTES; i++) {
    assertEquals(gate.passed, []);
    gate.far.sendAll(GREETING.subarray(i, i + 1));
    stage.step();
  }
  const [{ fd, relay }] = gate.passed;
  assertEquals([relay, stage.loop.timers.size], [3, 0]);
  const socket = new StreamSocket(stage.loop, fd);
  gate.far.sendAll("x");
  stage.step();
  assert(socket.readable);
  stage.loop.remove(socket);
});

testOnStage("what is no preamble is refused, with the reason", (stage) => {
  const wrong: [Uint8Array, string][] = [
    [new TextEncoder().encode("GET / HTTP/1.1\r\n"), "A connection to the proxy port that is no ProxyConn"],
    [encodePreambleAndMeta(4, proxyId(1), TICKET), "no relay Worker 4"],
    [GREETING.map((byte, i) => i === 4 ? byte + 1 : byte), "A ProxyConn of protocol version "],
  ];
  for (const [bytes, reason] of wrong) {
    const gate = new Gate(stage, bytes);
    assertEquals([gate.passed.length, gate.refused.length], [0, 1]);
    assert(gate.refused[0].startsWith(reason), gate.refused[0]);
    stage.until(() => gate.far.read().state !== "open", "the end of the connection");
  }
});

testOnStage("a connection that ends before its preamble, or takes too long, is refused", (stage) => {
  const ended = new Gate(stage, GREETING.subarray(0, 5));
  ended.far.finish();
  stage.step();
  assertEquals(ended.refused, ["it ended before its preamble"]);
  const slow = new Gate(stage, GREETING.subarray(0, 5));
  stage.advance(4900);
  assertEquals(slow.refused, []);
  stage.advance(200);
  assertEquals(slow.refused, ["no preamble in time"]);
  stage.until(() => slow.far.read().state !== "open", "the end of the connection");
});

type Admitted = { readonly proxy: number; readonly socket: StreamSocket };

/** The server's relay Worker, which knows one ticket. */
function greet(stage: Stage): { far: Peer; admitted: Admitted[]; refused: string[] } {
  const { socket, peer: far } = stage.connect();
  const admitted: Admitted[] = [];
  const refused: string[] = [];
  new ProxyGreeting(stage.loop, socket, (proxy, ticket, socket) => {
    if (!sameTicket(ticket, TICKET)) return false;
    admitted.push({ proxy, socket });
    return true;
  }, (reason) => refused.push(reason));
  return { far, admitted, refused };
}

const META = GREETING.slice(PREAMBLE_BYTES);

testOnStage("who shows the right ticket is admitted, and what follows stays in the socket", (stage) => {
  const { far, admitted, refused } = greet(stage);
  for (const byte of META) {
    assertEquals(admitted, []);
    far.sendAll(Uint8Array.of(byte));
    stage.step();
  }
  far.sendAll("behind");
  assertEquals([admitted[0].proxy, refused], [42, []]);
  assertEquals(stage.peer(admitted[0].socket.fd).text(), "behind");
  assertEquals(stage.loop.timers.size, 0);
});

testOnStage("who shows another ticket, or none, is refused", (stage) => {
  const wrong: [Uint8Array, string][] = [
    [META.map((byte, i) => i === META.length - 1 ? byte ^ 1 : byte), "no such ticket for ProxyConn 42"],
    [new Uint8Array(META.length), "Expected ProxyMetaSet behind the preamble and got something else"],
  ];
  for (const [bytes, reason] of wrong) {
    const { far, admitted, refused } = greet(stage);
    far.sendAll(bytes);
    stage.step(2);
    assertEquals([admitted, refused], [[], [reason]]);
    stage.until(() => far.read().state !== "open", "the end of the connection");
  }
  const ended = greet(stage);
  ended.far.finish();
  stage.step(2);
  assertEquals(ended.refused, ["it ended before its ticket"]);
  const slow = greet(stage);
  stage.advance(5100);
  assertEquals(slow.refused, ["no ticket in time"]);
});
