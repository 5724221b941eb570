// A ProxyConn on the client: sessions as the server starts them, notices that come early, and every end of a session.
// The test plays the server and the LocalServer.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Errno } from "../ffi/errno.ts";
import { accept, unsentBytes } from "../ffi/socket.ts";
import type { SocketAddress } from "../ffi/socket_address.ts";
import { ClientProxyConn, type ClientProxyOwner } from "../core/client/relay/client_proxy_conn.ts";
import { LocalConnector } from "../core/client/relay/local_connector.ts";
import type { SessionNo } from "../core/protocol/ids.ts";
import { proxyId, sessionNo, tunnelNo } from "./support/ids.ts";
import {
  decodeStartRsp,
  encodeStartReq,
  newStartRsp,
  PROXY_FRAME_BYTES,
  START_ALIVE,
  START_ASK,
  START_CONNECTED,
  START_REFUSED,
} from "../core/protocol/proxy_frame.ts";
import { Count, placeOf, RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import type { Notices } from "../core/relay/proxy_conn.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { assertSameBytes, noise } from "./support/bytes.ts";
import { accepted, listenSomewhere, type Peer, type Stage, testOnStage } from "./support/stage.ts";
import { noLoops, targetAt } from "./support/targets.ts";
import { quietSurroundings } from "./support/surroundings.ts";

/** The tunnel whose sessions these are. */
const TUNNEL = placeOf(1 as TunnelRow);

/** A client with one ProxyConn and one LocalServer. */
class Scene {
  readonly stage: Stage;
  readonly conn: ClientProxyConn;
  /** The server's end of the ProxyConn. */
  readonly far: Peer;
  readonly counters = new RelayCounters(1, 4).block(0);
  /** What was told the server, beside the ProxyConn. */
  readonly told: string[] = [];
  closed = false;
  readonly #listener: Descriptor;
  readonly #address: SocketAddress;
  readonly #pipes: PipePool;

  constructor(stage: Stage) {
    this.stage = stage;
    this.#pipes = new PipePool();
    ({ fd: this.#listener, address: this.#address } = listenSomewhere());
    const owner: ClientProxyOwner & Notices = {
      borrowConnector: () => new LocalConnector(stage.loop, noLoops()),
      returnConnector() {},
      // tunnel 1 is there, tunnel 2 has no LocalServer, and there is no other
      targetOf: (tunnel) => targetAt(tunnel === 1 ? [this.#address] : tunnel === 2 ? [nobody()] : []),
      // a visitor's hash is its depth here
      depthOf: (visitor) => visitor,
      rowOf: (tunnel) => tunnel as number as TunnelRow,
      free: (_proxy, session) => this.told.push(`free ${session}`),
      shutdownPeer: (_proxy, session, total) => this.told.push(`end ${session} ${total}`),
      reset: (_proxy, session, total) => this.told.push(`reset ${session} ${total}`),
      onProxyClosed: () => this.closed = true,
    };
    const { socket, peer } = stage.connect();
    const around = quietSurroundings(stage.loop, this.#pipes, this.counters);
    this.far = peer;
    this.conn = new ClientProxyConn(proxyId(9), 0, socket, around, owner);
    stage.step();
  }

  /** The server starts a session. After one turn its LocalServer is asked, after two it may have been heard. */
  start(session: number, { tunnel = 1, flags = 0, visitor = 0, turns = 2 } = {}): void {
    const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    encodeStartReq(frame, sessionNo(session), tunnelNo(tunnel), flags, visitor);
    this.far.sendAll(new Uint8Array(frame.buffer));
    this.stage.step(turns);
  }

  /** The LocalServer's end of the session's connection. */
  local({ turns = 2 } = {}): Peer {
    const peer = this.stage.peer(accepted(this.#listener));
    this.stage.step(turns);
    return peer;
  }

  /** Whether nobody has connected to the LocalServer. */
  isQuiet(): boolean {
    return accept(this.#listener) === -Errno.EAGAIN;
  }

  /** The client's next frame on the ProxyConn. */
  response(): { session: SessionNo; status: number } {
    this.stage.until(() => this.far.read(PROXY_FRAME_BYTES - this.far.count).count === PROXY_FRAME_BYTES, "a frame");
    const rsp = newStartRsp();
    decodeStartRsp(new DataView(this.far.take().buffer), rsp);
    return rsp;
  }

  /** The other side's endpoint has ended. */
  end(session: number, total: number): void {
    this.conn.onShutdownPeer(sessionNo(session), total);
    this.stage.step(2);
  }

  dispose(): void {
    this.conn.close();
    this.stage.step();
    this.#pipes.dispose();
    close(this.#listener);
  }
}

/** Sends for as long as the kernels and the client in between take more; returns how many bytes that were. */
function fill(stage: Stage, peer: Peer): number {
  const chunk = noise(1, 1 << 16);
  let sent = 0;
  for (let refused = 0; refused < 5;) {
    const count = peer.send(chunk);
    sent += count;
    refused = count === 0 ? refused + 1 : 0;
    stage.step(2);
  }
  return sent;
}

function nobody(): SocketAddress {
  const { fd, address } = listenSomewhere();
  close(fd);
  return address;
}

function testClient(name: string, body: (scene: Scene, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const scene = new Scene(stage);
    try {
      body(scene, stage);
    } finally {
      scene.dispose();
    }
  });
}

testClient(
  "a session joins server and LocalServer, ends both ways, and frees the ProxyConn for the next",
  (s, stage) => {
    for (let session = 1; session <= 3; session++) {
      s.start(session);
      s.far.sendAll("question");
      const local = s.local();
      stage.step(2);
      assertEquals(local.text(), "question");
      s.end(session, 8);
      assertEquals(local.read().state, "end");
      local.sendAll("answer");
      local.finish();
      stage.step(3);
      assertEquals(s.response(), { session: sessionNo(session), status: START_CONNECTED });
      assertEquals(s.far.text(), "answer");
      assertEquals(s.told.splice(0), [`end ${session} 6`, `free ${session}`]);
      assertEquals([s.conn.state, s.closed], ["idle", false]);
    }
    assertEquals([s.counters[TUNNEL + Count.sessionsOpened], s.counters[TUNNEL + Count.sessionsEnded]], [3, 3]);
  },
);

testClient("an orphaned ProxyConn serves a session that starts within three seconds, and ends then", (s, stage) => {
  s.start(1);
  const local = s.local();
  local.sendAll("answer");
  local.finish();
  s.end(1, 0);
  stage.until(() => s.conn.state === "idle", "the end of the session");
  s.conn.orphan();
  stage.advance(2500);
  s.start(2);
  const next = s.local();
  stage.advance(1000);
  next.sendAll("more");
  next.finish();
  stage.until(() => s.far.read().count === 2 * PROXY_FRAME_BYTES + 10, "both answers");
  assertEquals([s.closed, s.told.splice(0)], [false, ["end 1 6", "free 1"]]);
  s.far.finish();
  stage.until(() => s.closed, "the end of the ProxyConn");
  assertEquals(s.counters[TUNNEL + Count.sessionsEnded], 2);
});

testClient("an orphaned ProxyConn on which no session starts ends after three seconds", (s, stage) => {
  s.conn.orphan();
  stage.advance(2500);
  assertEquals([s.closed, s.far.read().state], [false, "open"]);
  stage.advance(1000);
  stage.until(() => s.far.read().state !== "open", "the end of the ProxyConn");
  assertEquals([s.closed, s.far.state, stage.loop.timers.size], [true, "end", 0]);
});

testClient("ten megabytes each way arrive byte for byte", (s, stage) => {
  const [up, down] = [noise(1, 10_000_000), noise(2, 10_000_000)];
  s.start(1);
  const local = s.local();
  let [sentUp, sentDown] = [0, 0];
  stage.until(() => {
    if (sentDown < down.length) sentDown += s.far.send(down.subarray(sentDown));
    if (sentUp < up.length && (sentUp += local.send(up.subarray(sentUp))) === up.length) local.finish();
    local.read();
    return s.far.read().count === PROXY_FRAME_BYTES + up.length && local.count === down.length;
  }, "everything");
  s.end(1, down.length);
  assertSameBytes(local.take(), down);
  assertSameBytes(s.far.take().subarray(PROXY_FRAME_BYTES), up);
  assertEquals(s.told, [`end 1 ${up.length}`, "free 1"]);
});

testClient("the start may come byte by byte, and the payload behind it is not touched before", (s, stage) => {
  const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
  encodeStartReq(frame, sessionNo(1), tunnelNo(1), 0, 0);
  for (const byte of new Uint8Array(frame.buffer)) {
    assertEquals(s.conn.state, "idle");
    s.far.sendAll(Uint8Array.of(byte));
    stage.step();
  }
  assertEquals(s.conn.session as number, 1);
  s.far.sendAll("payload");
  const local = s.local();
  stage.step(2);
  assertEquals(local.text(), "payload");
});

testClient("a server that asks is answered at once, before there is a LocalConn", (s) => {
  s.start(1, { flags: START_ASK });
  assertEquals(s.response().status, START_ALIVE);
  const local = s.local();
  local.sendAll("hello");
  s.stage.step(2);
  assertEquals(s.response().status, START_CONNECTED);
  assertEquals(s.far.text(), "hello");
});

testClient("a session whose visitor comes through eight LocalConns of this client is refused", (s, stage) => {
  s.start(1, { visitor: 8 });
  assertEquals(s.response().status, START_REFUSED);
  assert(s.isQuiet());
  s.conn.onResetPeer(sessionNo(1), 0);
  stage.until(() => s.conn.state === "idle", "the session is settled");
  s.start(2, { visitor: 7 });
  s.local();
});

for (const tunnel of [2, 3]) {
  testClient(
    `a session for ${tunnel === 2 ? "a LocalServer" : "a tunnel"} that is not there is refused`,
    (s, stage) => {
      s.start(1, { tunnel });
      s.far.sendAll("lost");
      assertEquals(s.response().status, START_REFUSED);
      assertEquals([s.told, s.conn.state], [[], "resetting"]);
      s.conn.onResetPeer(sessionNo(1), 4);
      stage.until(() => s.conn.state === "idle", "the session is settled");
      assertEquals(s.told, ["free 1"]);
      assertEquals(s.counters[placeOf(tunnel as number as TunnelRow) + Count.sessionsRefused], 1);
      s.start(2);
      s.local();
    },
  );
}

testClient("a LocalServer that ends without a word is a session with no bytes", (s, stage) => {
  s.start(1);
  const local = s.local();
  local.finish();
  stage.step(3);
  assertEquals(s.response().status, START_CONNECTED);
  assertEquals(s.told, ["end 1 0"]);
  s.end(1, 0);
  assertEquals(local.read().state, "end");
  assertEquals(s.told, ["end 1 0", "free 1"]);
});

testClient("the end of the other side that overtakes the data waits for exactly so many bytes", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.end(1, 10);
  s.far.sendAll("12345");
  stage.step(2);
  assertEquals([local.text(), local.state], ["12345", "open"]);
  s.far.sendAll("67890");
  stage.step(2);
  assertEquals([local.text(), local.state], ["67890", "end"]);
});

testClient("the end of the other side that overtakes even the start is kept for it", (s, stage) => {
  s.end(1, 5);
  s.start(1);
  const local = s.local();
  s.far.sendAll("12345");
  stage.step(2);
  assertEquals([local.text(), local.state], ["12345", "end"]);
});

testClient("a reset that overtakes the start, with nothing in front of it, asks no LocalServer", (s, stage) => {
  s.conn.onResetPeer(sessionNo(1), 0);
  s.start(1);
  assertEquals(s.told, ["reset 1 0", "free 1"]);
  assertEquals(s.counters[TUNNEL + Count.sessionsReset], 1);
  assertEquals(s.response().status, START_CONNECTED, "the server reads where the next session begins");
  assert(s.isQuiet());
  s.start(2);
  s.local();
  stage.step(2);
  assertEquals(s.conn.state, "relaying");
});

testClient("what came in front of a reset that overtakes the start arrives, and then the reset", (s, stage) => {
  s.conn.onResetPeer(sessionNo(1), 5);
  s.start(1);
  const local = s.local();
  s.far.sendAll("12345");
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals([local.text(), local.state], ["12345", Errno.ECONNRESET]);
  assertEquals(s.told, ["reset 1 0", "free 1"]);
});

testClient("what a LocalServer says in front of a reset is not lost when both come with its connection", (s, stage) => {
  s.start(1, { turns: 1 });
  const local = s.local({ turns: 0 });
  local.sendAll("answer");
  local.reset();
  assertEquals(s.response().status, START_CONNECTED);
  stage.until(() => s.far.read().count === 6 && s.told.length > 0, "the answer");
  assertEquals([s.far.text(), s.told.splice(0)], ["answer", ["reset 1 6"]]);
  s.conn.onResetPeer(sessionNo(1), 0);
  assertEquals(s.told, ["free 1"]);
  s.start(2);
  s.local();
  assertEquals(s.conn.state, "relaying");
});

testClient("notices of sessions that are over are ignored", (s, stage) => {
  s.start(1);
  s.local().close();
  s.end(1, 0);
  stage.step(3);
  assertEquals(s.conn.state, "idle");
  s.conn.onResetPeer(sessionNo(1), 0);
  s.conn.onShutdownPeer(sessionNo(1), 7);
  stage.step(2);
  assertEquals([s.conn.state, s.closed], ["idle", false]);
  s.response();
  s.start(2);
  const local = s.local();
  s.conn.onResetPeer(sessionNo(1), 0);
  s.far.sendAll("fine");
  stage.step(2);
  assertEquals(local.text(), "fine");
});

testClient(
  "an answer in front of a reset arrives whole behind the end of an upload that nobody has read",
  (s, stage) => {
    s.start(1);
    const local = s.local();
    s.end(1, fill(stage, s.far));
    const sent = fill(stage, local);
    // the client's kernel has at least what it has acknowledged
    const answer = sent - unsentBytes(local.fd);
    local.reset();
    stage.step(3);
    stage.until(() => s.far.read().state !== "open", "the end of the ProxyConn, which is too full to be used again");
    const arrived = s.far.count - PROXY_FRAME_BYTES;
    assert(arrived >= answer, `${arrived} of ${answer} bytes have arrived`);
    assertEquals([s.told, s.far.state], [[`reset 1 ${arrived}`], Errno.ECONNRESET]);
  },
);

testClient("urgent data in front of a reset arrives also when its event has not come yet", (s, stage) => {
  s.start(1);
  const local = s.local();
  local.sendAll("ab");
  s.response();
  stage.until(() => s.far.read().count === 2, "what is in front of the mark");
  local.sendUrgent(new TextEncoder().encode("c"));
  local.sendAll("de");
  s.conn.fail({ side: "endpoint", code: Errno.ECONNRESET });
  stage.until(() => s.told.length > 0, "the notice");
  assertEquals([s.far.text(), s.told], ["abcde", ["reset 1 5"]]);
});

testClient("a reset of the LocalConn is told with what came before it, and the ProxyConn is used again", (s, stage) => {
  s.start(1);
  const local = s.local();
  local.sendAll("last");
  local.reset();
  stage.until(() => s.told.length > 0, "the notice");
  assertEquals([s.told.splice(0), s.conn.state], [["reset 1 4"], "resetting"]);
  assertEquals(s.response().status, START_CONNECTED);
  assertEquals(s.far.text(), "last");
  // what the server has sent meanwhile is thrown away
  s.far.sendAll("too late");
  s.conn.onResetPeer(sessionNo(1), 8);
  stage.until(() => s.conn.state === "idle", "the session is settled");
  assertEquals([s.told, s.counters[TUNNEL + Count.sessionsReset]], [["free 1"], 1]);
  assertEquals(s.counters[TUNNEL + Count.bytesLostFromProxy], 8);
  s.start(2);
  const next = s.local();
  s.far.sendAll("clean");
  stage.step(2);
  assertEquals(next.text(), "clean");
});

testClient("a reset on the server's side is passed on behind what came before it", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.far.sendAll("123");
  s.conn.onResetPeer(sessionNo(1), 5);
  stage.step(3);
  assertEquals([local.text(), local.state], ["123", "open"]);
  s.far.sendAll("45");
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals([local.text(), local.state], ["45", Errno.ECONNRESET]);
  assertEquals([s.told, s.closed], [["reset 1 0", "free 1"], false]);
});

testClient("the answer of a LocalServer that closes while it is still sent to arrives", (s, stage) => {
  for (let session = 1; session <= 20; session++) {
    s.start(session);
    const local = s.local();
    // more than it will read, so that its end is a reset behind the answer
    s.far.sendAll(noise(session, 100_000));
    stage.step(3);
    local.sendAll("413 too large");
    local.close();
    // the reset may be seen first by whoever writes
    s.far.sendAll("more");
    stage.until(() => s.told.length > 0, "the notice");
    assertEquals(s.told.splice(0), [`reset ${session} 13`]);
    assertEquals(s.response().status, START_CONNECTED);
    assertEquals(s.far.text(), "413 too large");
    s.conn.onResetPeer(sessionNo(session), 100_004);
    stage.until(() => s.conn.state === "idle", "the session is settled");
    assertEquals(s.told.splice(0), [`free ${session}`]);
  }
});

testClient("a reset behind bytes that the LocalServer does not take ends all the same", (s, stage) => {
  s.start(1);
  const local = s.local();
  let sent = 0;
  stage.until(() => {
    const count = s.far.send(noise(1, 1 << 20));
    sent += count;
    return count === 0;
  }, "nothing more is taken");
  s.conn.onResetPeer(sessionNo(1), sent);
  stage.step(3);
  assertEquals(s.conn.state, "resetting");
  for (let i = 0; i < 6; i++) stage.advance(1000);
  assert(s.closed);
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals([local.state, s.counters[TUNNEL + Count.sessionsReset]], [Errno.ECONNRESET, 1]);
});

testClient("a ProxyConn full of bytes that nobody takes is not worth emptying", (s, stage) => {
  s.start(1);
  const local = s.local();
  stage.step(2);
  local.reset();
  stage.until(() => s.told.length > 0, "the notice");
  s.conn.onResetPeer(sessionNo(1), 10_000_000);
  stage.until(() => s.closed, "the end of the ProxyConn");
  stage.until(() => s.far.read().state !== "open", "the reset");
  assertEquals(s.far.state, Errno.ECONNRESET);
});

testClient(
  "without its ctl_conn a reset is told by a reset of the ProxyConn, behind what came before it",
  (s, stage) => {
    s.start(1);
    const local = s.local();
    s.conn.orphan();
    local.sendAll("last");
    local.reset();
    stage.until(() => s.far.read().state !== "open", "the reset");
    const payload = new TextDecoder().decode(s.far.take().subarray(PROXY_FRAME_BYTES));
    assertEquals([payload, s.far.state, s.told], ["last", Errno.ECONNRESET, []]);
  },
);

testClient("a reset that was told on a ctl_conn which was lost is told again by a reset", (s, stage) => {
  s.start(1);
  s.local().reset();
  stage.until(() => s.told.length > 0, "the notice");
  s.conn.orphan();
  stage.until(() => s.closed, "the end of the ProxyConn");
  stage.until(() => s.far.read().state !== "open", "the reset");
  assertEquals(s.far.state, Errno.ECONNRESET);
});

testClient("a reset that was told of the last session is told again by a reset, and by no end in order", (s, stage) => {
  s.start(1);
  s.local().reset();
  stage.until(() => s.told.length > 0, "the notice");
  s.end(1, 0);
  stage.until(() => s.conn.state === "idle", "the session is settled");
  assertEquals(s.told.splice(0), ["reset 1 0", "free 1"]);
  s.conn.orphan();
  stage.advance(11_000);
  stage.until(() => s.far.read().state !== "open", "the end of the ProxyConn");
  assertEquals([s.closed, s.far.state], [true, Errno.ECONNRESET]);
});

testClient("a ProxyConn that is reset resets the LocalConn", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.far.reset();
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals(local.state, Errno.ECONNRESET);
});

testClient("a ProxyConn that ends before all promised bytes is a reset for the LocalConn", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.end(1, 10);
  s.far.sendAll("12345");
  s.far.finish();
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals(local.state, Errno.ECONNRESET);
});

testClient("more bytes than were promised are a reset as well", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.far.sendAll("12345");
  stage.step(2);
  s.end(1, 4);
  stage.until(() => local.read().state !== "open", "the reset");
  assertEquals(local.state, Errno.ECONNRESET);
});

testClient("a FIN on the ProxyConn ends its direction, and no other session follows", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.far.sendAll("question");
  s.far.finish();
  stage.step(3);
  assertEquals([local.text(), local.state], ["question", "end"]);
  local.sendAll("answer");
  local.finish();
  stage.until(() => s.closed, "the end of the ProxyConn");
  s.response();
  assertEquals(s.far.text(), "answer");
});

testClient("an idle ProxyConn that the server ends is closed", (s, stage) => {
  s.far.finish();
  stage.step(2);
  assert(s.closed);
  assertEquals(s.told, []);
});

testClient("without its ctl_conn an idle ProxyConn is closed when the server closes it", (s, stage) => {
  s.conn.orphan();
  stage.step();
  assert(!s.closed);
  s.far.finish();
  stage.until(() => s.closed, "the end of the ProxyConn");
});

/** A session without a ctl_conn: it relays both ways, and its ends are FINs on the ProxyConn, which is then closed. */
function playOrphaned(s: Scene, stage: Stage, local: Peer): void {
  s.far.sendAll("question");
  stage.step(2);
  local.sendAll("answer");
  local.finish();
  stage.step(3);
  s.response();
  assertEquals([s.far.text(), s.far.state, s.told], ["answer", "end", []]);
  s.far.finish();
  stage.until(() => s.closed, "the end of the ProxyConn");
  assertEquals([local.text(), local.state], ["question", "end"]);
}

testClient(
  "a session whose start was on its way when the ctl_conn was lost is served, and the last one",
  (s, stage) => {
    s.conn.orphan();
    s.start(1);
    playOrphaned(s, stage, s.local());
  },
);

testClient("without its ctl_conn a session goes on, and ends by FIN", (s, stage) => {
  s.start(1);
  const local = s.local();
  s.conn.orphan();
  playOrphaned(s, stage, local);
});

testClient("an end that was told on a ctl_conn which was lost is told again by FIN", (s, stage) => {
  s.start(1);
  const local = s.local();
  local.finish();
  stage.step(3);
  s.response();
  assertEquals([s.told, s.far.read().state], [["end 1 0"], "open"]);
  s.conn.orphan();
  stage.until(() => s.far.read().state === "end", "the FIN");
  s.far.sendAll("still");
  stage.step(2);
  assertEquals(local.text(), "still");
});

testClient("a server that breaks the protocol is left", (s, stage) => {
  s.start(2);
  stage.until(() => s.far.read().state !== "open", "the end of the ProxyConn");
  assert(s.closed);
  assert(s.isQuiet(), "session 2 cannot be the first");
});

testClient("bytes that are no frame are never taken for payload", (s, stage) => {
  s.far.sendAll("0123456789abcdef and more");
  stage.until(() => s.far.read().state !== "open", "the end of the ProxyConn");
  assert(s.closed && s.isQuiet());
});
