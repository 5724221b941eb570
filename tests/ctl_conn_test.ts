// A ctl_conn: frames in whatever pieces, heartbeats, and every way in which it ends.

import { CtlConn } from "../core/protocol/ctl_conn.ts";
import { proxyId, tunnelNo } from "./support/ids.ts";
import type { CtlMessage } from "../core/protocol/messages.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import { assert, assertEquals, assertStringIncludes } from "./support/assert.ts";
import { bytesOf, messagesAt } from "./support/ctl_peer.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

const LOGIN_MS = 5000;

/** Someone at one end of a ctl_conn, who writes down what he hears. */
class Owner {
  readonly heard: CtlMessage[] = [];
  readonly closed: string[] = [];
  /** What he does with a message. */
  react: (message: CtlMessage) => void = () => {};

  onMessage(message: CtlMessage): void {
    this.heard.push(message);
    this.react(message);
  }

  onClosed(reason: string): void {
    this.closed.push(reason);
  }
}

const need = (n: number): CtlMessage => ({
  type: "NotifyClientNeedProxy",
  worker: 1,
  notices: false,
  proxy: proxyId(n),
  ticket: [1, 2, 3, 4],
});

interface Options {
  readonly bufferBytes?: number;
  readonly loggedIn?: boolean;
}

function testConn(
  name: string,
  { bufferBytes, loggedIn = true }: Options,
  body: (s: { conn: CtlConn; owner: Owner; far: Peer }, stage: Stage) => void,
): void {
  testOnStage(name, (stage) => {
    const { fd, peer: far } = stage.connectUnwatched(bufferBytes);
    const owner = new Owner();
    const conn = new CtlConn(stage.loop, fd, owner, LOGIN_MS);
    if (loggedIn) conn.startHeartbeats(10_000, 30_000);
    stage.step();
    try {
      body({ conn, owner, far }, stage);
    } finally {
      conn.close();
    }
  });
}

testConn("a peer that breaks the protocol and is gone already ends it once", {}, ({ owner, far }, stage) => {
  // a web server that cannot read the first message does so
  far.sendAll(new TextEncoder().encode("HTTP/1.1 400 Bad Request\r\n"));
  far.reset();
  stage.until(() => owner.closed.length > 0, "the end");
  stage.step();
  assertEquals(owner.closed.length, 1);
  assertStringIncludes(owner.closed[0], "A frame of");
});

testConn(
  "an owner who finishes a connection whose peer is gone hears nothing more",
  {},
  ({ conn, owner, far }, stage) => {
    far.reset();
    conn.send(need(1));
    conn.finish();
    stage.step();
    assertEquals(owner.closed, []);
  },
);

testConn("frames that come byte by byte are messages when they are whole", {}, ({ owner, far }, stage) => {
  const messages = [need(1), { type: "Heartbeat" } as const, need(2)];
  for (const message of messages) {
    const bytes = bytesOf(message);
    for (let i = 0; i < bytes.length; i++) {
      assert(!owner.heard.includes(message));
      far.sendAll(bytes.subarray(i, i + 1));
      stage.step();
    }
    assertEquals(owner.heard.at(-1), message);
  }
  assertEquals(owner.heard, messages);
});

testConn("many frames in one piece are as many messages, in order", {}, ({ owner, far }, stage) => {
  const messages = Array.from({ length: 3000 }, (_, i) => need(i + 1));
  far.sendAll(bytesOf(...messages));
  stage.until(() => owner.heard.length === messages.length, "all messages");
  assertEquals(owner.heard, messages);
});

testConn("what is sent in a turn leaves at its end, in one piece", {}, ({ conn, far }, stage) => {
  const messages = [need(1), need(2), need(3)];
  for (const message of messages) conn.send(message);
  assertEquals(far.read().count, 0);
  stage.step();
  assertEquals(messagesAt(far), messages);
});

testConn(
  "a flood of messages leaves time for the rest of the turn, and none is lost",
  {},
  ({ owner, far }, stage) => {
    const bytes = bytesOf(...Array.from({ length: 10_000 }, (_, i) => need(i + 1)));
    // each message makes some work
    owner.react = () => {
      for (const end = performance.now() + 0.01; performance.now() < end;);
    };
    let sent = 0;
    let most = 0;
    stage.until(() => {
      if (sent < bytes.length) sent += far.send(bytes.subarray(sent));
      const before = owner.heard.length;
      stage.step();
      most = Math.max(most, owner.heard.length - before);
      return owner.heard.length === 10_000;
    }, "all messages");
    assert(most < 10_000, `${most} in one turn`);
    assertEquals(owner.heard.at(-1), need(10_000));
  },
);

testConn(
  "a frame that is too long for a stranger ends the connection",
  { loggedIn: false },
  ({ owner, far }, stage) => {
    far.sendAll(bytesOf({ type: "CloseTunnel", tunnel: tunnelNo(1), reason: "short" }));
    stage.step(2);
    assertEquals(owner.heard.length, 1);
    far.sendAll(Uint8Array.of(0, 0, 4, 0, 0x1f));
    stage.step(2);
    assertEquals(owner.closed, ["A frame of 1028 bytes where at most 1024 are allowed"]);
    stage.until(() => far.read().state !== "open", "the end of the connection");
  },
);

testConn("after the login long frames are legal", {}, ({ conn, owner, far }, stage) => {
  // no message is that long: what is told is that the rest of it is awaited
  far.sendAll(Uint8Array.of(0, 0, 0xff, 0xfc, 0x10));
  stage.step(2);
  assertEquals(owner.closed, []);
  far.sendAll(new Uint8Array(60_000));
  stage.step(4);
  assertEquals(owner.closed, []);
  far.sendAll(new Uint8Array(5531));
  stage.until(() => owner.closed.length > 0, "the end");
  assertEquals(owner.heard, []);
  assert(!owner.closed[0].includes("allowed"), owner.closed[0]);
  conn.close();
});

testConn(
  "a peer that is cut off is told why, and one that is told so says it to its owner",
  {},
  ({ owner, far }, stage) => {
    const second = new Owner();
    const { fd, peer } = stage.connectUnwatched();
    const client = new CtlConn(stage.loop, fd, second, LOGIN_MS);
    owner.react = () => {
      throw new ProtocolError("Not now");
    };
    // more than is read before it is cut off
    far.sendAll(bytesOf(need(1), ...Array.from({ length: 1000 }, (_, i) => need(i + 2))));
    stage.until(() => far.read().state !== "open", "the end");
    const told = far.take();
    assertEquals([far.state, owner.closed], ["end", ["Not now"]]);
    peer.sendAll(told);
    stage.step(2);
    assertEquals([second.heard, second.closed], [[], ["the other side says: Not now"]]);
    client.close();
  },
);

testConn("bytes that are no frame end the connection", {}, ({ owner, far }, stage) => {
  far.sendAll("GET / HTTP/1.1\r\n\r\n");
  stage.step(2);
  assertEquals(owner.heard, []);
  assertStringIncludes(owner.closed[0], "A frame of ");
});

testConn("a message that its owner rejects ends the connection, with his reason", {}, ({ owner, far }, stage) => {
  owner.react = () => {
    throw new ProtocolError("Not now");
  };
  far.sendAll(bytesOf(need(1), need(2)));
  stage.step(2);
  assertEquals([owner.heard, owner.closed], [[need(1)], ["Not now"]]);
});

testConn(
  "a peer that says nothing before the login is given up in time",
  { loggedIn: false },
  ({ owner, far }, stage) => {
    stage.advance(LOGIN_MS - 100);
    assertEquals(owner.closed, []);
    stage.advance(200);
    assertEquals(owner.closed, ["no login in time"]);
    stage.until(() => far.read().state !== "open", "the end of the connection");
  },
);

testConn("a peer that talks but does not log in is given up as well", { loggedIn: false }, ({ owner, far }, stage) => {
  for (let i = 0; i < 6; i++) {
    far.sendAll(bytesOf({ type: "Heartbeat" }));
    stage.step();
    stage.advance(1000);
  }
  assertEquals(owner.closed, ["no login in time"]);
});

testConn("heartbeats are sent, and a peer that answers lives on", {}, ({ owner, far }, stage) => {
  for (let seconds = 0; seconds < 100; seconds += 5) {
    stage.advance(5000);
    if (messagesAt(far).length > 0) {
      far.sendAll(bytesOf({ type: "Heartbeat" }));
      stage.step();
    }
  }
  assertEquals(owner.closed, []);
  assert(owner.heard.length >= 9, `${owner.heard.length} heartbeats`);
});

testConn("a silent peer is dead after the heartbeat time-out, and not before", {}, ({ owner, far }, stage) => {
  far.sendAll(bytesOf({ type: "Heartbeat" }));
  stage.step();
  for (let seconds = 1; seconds <= 29; seconds++) stage.advance(1000);
  assertEquals(owner.closed, []);
  stage.advance(1000);
  stage.advance(1000);
  assertEquals(owner.closed, ["silent for 30 s"].concat(owner.closed.slice(1)));
  assertEquals(owner.closed.length, 1);
});

testConn("after a pause of the whole process, what has come meanwhile counts", {}, ({ owner, far }, stage) => {
  far.sendAll(bytesOf(need(1)));
  stage.advance(100_000);
  assertEquals([owner.heard, owner.closed], [[need(1)], []]);
});

testConn(
  "while other Workers do not keep up, a peer is neither read nor taken for dead, but gets heartbeats",
  {},
  (s, stage) => {
    const { owner, far } = s;
    let isBehind = true;
    stage.loop.setMail({
      mayAwaitMail: () => true,
      awake() {},
      deliver() {},
      get isBehind() {
        return isBehind;
      },
    });
    far.sendAll(bytesOf({ type: "Heartbeat" }));
    for (let seconds = 0; seconds < 100; seconds += 5) stage.advance(5000);
    assertEquals([owner.heard, owner.closed], [[], []]);
    assert(messagesAt(far).length >= 8, "heartbeats");
    isBehind = false;
    stage.step(3);
    assertEquals([owner.heard.length, owner.closed], [1, []]);
    for (let seconds = 0; seconds < 40; seconds += 5) stage.advance(5000);
    assertEquals(owner.closed.length, 1, "and then silence counts again");
  },
);

testConn("the owner hears when the peer ends or resets the connection", {}, ({ owner, far }, stage) => {
  far.sendAll(bytesOf(need(1)));
  far.finish();
  stage.step(2);
  assertEquals([owner.heard, owner.closed], [[need(1)], ["closed by the peer"]]);
  const second = new Owner();
  const { fd, peer } = stage.connectUnwatched();
  new CtlConn(stage.loop, fd, second, LOGIN_MS);
  peer.reset();
  stage.step(2);
  assertEquals(second.closed, ["connection reset"]);
});

testConn("the last frame of a finished connection arrives though input was not read", {}, (s, stage) => {
  const { conn, owner, far } = s;
  far.sendAll(bytesOf(need(1)));
  owner.react = () => {
    conn.send({ type: "NewCtlRsp", ok: false, reason: "Go away" });
    conn.finish();
  };
  // more than is read in the turn that ends it
  const rest = bytesOf(...Array.from({ length: 9000 }, (_, i) => need(i + 2)));
  far.send(rest);
  stage.step(3);
  assertEquals(owner.heard.length, 1);
  stage.until(() => far.read().state !== "open", "the end");
  assertEquals(far.state, "end", "and not a reset");
  assertEquals(messagesAt(far), [{ type: "NewCtlRsp", ok: false, reason: "Go away" }]);
  assertEquals(owner.closed, []);
});

testConn(
  "frames that wait for a slow peer arrive though the connection is finished",
  { bufferBytes: 4096 },
  (s, stage) => {
    const { conn, far } = s;
    const messages = Array.from({ length: 3000 }, (_, i) => need(i + 1));
    for (const message of messages) conn.send(message);
    // input that nobody reads: closing with it would be a reset, and drop what is not delivered
    far.send(bytesOf(...messages));
    conn.finish();
    stage.step(3);
    stage.until(() => far.read(5000).state !== "open", "the end");
    assertEquals(far.state, "end");
    assertEquals(messagesAt(far), messages);
  },
);

testConn("a finished connection is closed when the peer has closed it too", {}, ({ conn, owner, far }, stage) => {
  conn.send(need(1));
  conn.finish();
  stage.step(2);
  assertEquals(stage.loop.timers.size, 1);
  far.finish();
  stage.step(2);
  assertEquals([stage.loop.timers.size, owner.closed], [0, []]);
});

testConn("a finished connection whose peer does not close it is closed after a second", {}, (s, stage) => {
  const { conn, owner, far } = s;
  conn.send(need(1));
  conn.finish();
  stage.advance(900);
  assertEquals(stage.loop.timers.size, 1);
  stage.advance(200);
  assertEquals([stage.loop.timers.size, owner.closed], [0, []]);
  assertEquals(messagesAt(far), [need(1)]);
});

testConn("a peer that does not read is given up", { bufferBytes: 4096 }, ({ conn, owner }, stage) => {
  const message: CtlMessage = { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "x".repeat(200) };
  const { length } = bytesOf(message);
  let sent = 0;
  while (owner.closed.length === 0 && sent < 10 << 20) {
    for (let i = 0; i < 1000; i++) conn.send(message);
    sent += 1000 * length;
    stage.step();
  }
  assertEquals(owner.closed, ["the peer does not read"]);
  assert(sent > 4 << 20, "so much may wait");
});

testConn("a peer that reads slowly gets every frame", { bufferBytes: 4096 }, ({ conn, owner, far }, stage) => {
  const messages = Array.from({ length: 5000 }, (_, i) => need(i + 1));
  for (const message of messages) conn.send(message);
  const { length } = bytesOf(...messages);
  stage.until(() => far.read(1000).count === length, "all frames");
  assertEquals(messagesAt(far), messages);
  assertEquals(owner.closed, []);
});

testConn("a closed connection sends nothing and hears nothing", {}, ({ conn, owner, far }, stage) => {
  far.sendAll(bytesOf(need(1)));
  conn.close();
  conn.send(need(2));
  conn.finish();
  stage.advance(100_000);
  assertEquals([owner.heard, owner.closed, stage.loop.timers.size], [[], [], 0]);
});

testOnStage(
  "peers of one party that read nothing are given up when too much waits for all of them together",
  (stage) => {
    const unsent = { total: 0 };
    const conns = Array.from({ length: 12 }, () => {
      const owner = new Owner();
      const conn = new CtlConn(stage.loop, stage.connectUnwatched(4096).fd, owner, LOGIN_MS);
      conn.startHeartbeats(10_000, 30_000);
      conn.unsent = unsent;
      return { conn, owner };
    });
    const fill = (conn: CtlConn, bytes: number) => {
      const reason = "x".repeat(200);
      for (const end = conn.writer.length + bytes; conn.writer.length < end;) {
        conn.writer.append({ type: "CloseTunnel", tunnel: tunnelNo(1), reason });
      }
      conn.flushSoon();
    };
    const [modest, ...hungry] = conns;
    stage.step(2);
    fill(modest.conn, 40_000);
    // 3 MiB each: none of them has too much by itself
    for (const { conn } of hungry) fill(conn, 3 << 20);
    stage.step(2);
    const given = hungry.filter(({ owner }) => owner.closed.length > 0);
    assert(given.length >= 1 && given.length <= 3, `${given.length} of ${hungry.length} are given up`);
    assertEquals(given[0].owner.closed, ["the peer does not read"]);
    assertEquals(modest.owner.closed, [], "little waits for this one");
    assert(unsent.total <= 32 << 20, `${unsent.total} bytes wait`);
    for (const { conn } of conns) conn.close();
    assertEquals(unsent.total, 0);
  },
);
