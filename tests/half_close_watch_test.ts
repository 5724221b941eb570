// Half-closed sessions that stand still: which are ended, by which side, and which never. The test plays the client, the
// PublicClient and time.

import { Count } from "../core/relay/counters.ts";
import { HalfCloseWatch } from "../core/relay/half_close_watch.ts";
import { takeSocketError } from "../ffi/socket.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { RelayingSession, TUNNEL } from "./support/relaying.ts";
import { testOnStage } from "./support/stage.ts";

const HOUR_MS = 3_600_000;

/** Registers a test with a session whose half-closed idling is bounded by `timeoutMs`. */
function testWatch(name: string, body: (scene: RelayingSession, lines: string[]) => void, timeoutMs = HOUR_MS): void {
  testOnStage(name, (stage) => {
    const lines: string[] = [];
    new HalfCloseWatch({ loop: stage.loop, log: (_level, message) => lines.push(message) }, timeoutMs);
    const scene = new RelayingSession(stage);
    try {
      body(scene, lines);
    } finally {
      scene.dispose();
    }
  });
}

testWatch("a session that has not ended in either direction may be idle for days", (s) => {
  s.pass(48 * HOUR_MS);
  s.user.sendAll("still there");
  s.far.sendAll("so am I");
  s.stage.step(3);
  assertEquals([s.far.text(), s.user.text()], ["still there", "so am I"]);
});

testWatch("a peer that ignores the end it was told is cut off after the time-out, and not before", (s, lines) => {
  s.localEnds();
  assertEquals(s.user.read().state, "end");
  s.pass(HOUR_MS - 60_000);
  assert(s.isUnderWay);
  assertEquals(lines, []);
  s.pass(240_000);
  assertEquals(lines, ["A half-closed connection stood still and is reset"]);
  assertEquals(s.counters[TUNNEL + Count.sessionsReset], 1);
  s.stage.until(() => takeSocketError(s.user.fd) !== 0, "the reset arrives");
  s.stage.advance(100);
  assertEquals(s.stage.loop.timers.size, 1, "the watch's own timer");
});

testWatch("a slow stream behind the end of the other direction is not cut off", (s) => {
  s.localEnds();
  for (let i = 0; i < 6; i++) {
    s.pass(HOUR_MS - 240_000);
    s.user.sendAll("x");
    s.stage.step(2);
    assertEquals(s.far.text(), "x");
  }
  s.userEnds();
  assertEquals([s.conn.state, s.counters[TUNNEL + Count.sessionsEnded]], ["finished", 1]);
});

testWatch(
  "an endpoint that has ended its side may wait for an answer for ever: the other program judges its LocalServer",
  (s) => {
    s.userEnds();
    s.pass(24 * HOUR_MS);
    assert(s.isUnderWay);
    s.far.sendAll("at last");
    s.localEnds(7);
    assertEquals(s.user.text(), "at last");
    assertEquals(s.conn.state, "finished");
  },
);

testWatch("an endpoint that has ended its side and does not read what comes is cut off", (s) => {
  s.block(s.far);
  s.userEnds();
  s.pass(HOUR_MS + 240_000);
  s.assertReset();
});

testWatch("an endpoint that reads slowly after the end of the other direction is not cut off", (s) => {
  const sent = s.block(s.far);
  s.localEnds(sent);
  let read = 0;
  for (let i = 0; i < 2; i++) {
    s.pass(HOUR_MS - 240_000);
    // the kernel makes room for its sender only in pieces of a certain size
    read += s.user.read(Math.ceil(sent / 2)).take().length;
    s.stage.step(2);
  }
  s.pass(HOUR_MS - 240_000);
  assert(s.isUnderWay);
  s.stage.until(() => s.user.read().state === "end", "everything is read");
  assertEquals(read + s.user.count, sent);
});

testWatch("a stream that has ended and that nobody at the other end takes is cut off", (s) => {
  s.block(s.user);
  s.userEnds();
  s.pass(HOUR_MS + 240_000);
  s.assertReset();
});

testWatch("an endpoint that sends into a tunnel that is blocked further on is not to blame", (s) => {
  s.localEnds();
  const sent = s.block(s.user);
  s.pass(3 * HOUR_MS);
  assert(s.isUnderWay);
  s.userEnds();
  s.stage.until(() => s.far.read().count === sent, "everything is read");
  s.stage.until(() => s.conn.state === "finished", "the session ends");
});

testWatch("without a time-out a half-closed session may stand still for ever", (s) => {
  assertEquals(s.stage.loop.timers.size, 0);
  s.localEnds();
  s.pass(48 * HOUR_MS);
  assert(s.isUnderWay);
}, 0);

testWatch("a session whose ctl_conn is lost is watched as well", (s) => {
  s.conn.orphan();
  s.far.finish();
  s.stage.step(3);
  assertEquals(s.user.read().state, "end");
  s.settle();
  s.pass(HOUR_MS + 240_000);
  assertEquals(s.conn.state, "closed");
});
