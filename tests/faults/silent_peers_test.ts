// Peers that do not answer: one that does not read is there, however long it pauses, and one that is gone is found. The
// connections are over the loopback of a network of their own, which loses what the test tells it to lose.

import { RelayCounters } from "../../core/relay/counters.ts";
import { NoticeConn } from "../../core/relay/notice_conn.ts";
import { PeerSweep } from "../../core/relay/peer_sweep.ts";
import { watchPeers } from "../../core/relay/peer_watch.ts";
import { PipePool } from "../../core/relay/pipe_pool.ts";
import type { ProxyId, SessionNo } from "../../core/protocol/ids.ts";
import type { LogFields } from "../../core/reactor/log_record.ts";
import { Errno } from "../../ffi/errno.ts";
import type { Descriptor } from "../../ffi/descriptor.ts";
import { localAddress, setLongestRepeat } from "../../ffi/socket.ts";
import { portOf } from "../../ffi/socket_address.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { ignoreWithoutNetworks, LonelyHost } from "../support/network.ts";
import { BUFFER_BYTES, RelayingSession } from "../support/relaying.ts";
import { type Peer, Stage, testOnStage } from "../support/stage.ts";
import { quietSurroundings } from "../support/surroundings.ts";
import { ignoreWithout } from "../support/tools.ts";

/** As the programs have it, but 50 times as fast. */
const PATIENCE = { lookMs: 100, payloadMs: 1200, noticesMs: 600 };
/** Ms that a peer pauses here: many times the limit. */
const PAUSE_MS = 3000;

/** Watches over a loop; `lines` gets what is logged. */
function watchPeersOf({ loop }: Stage, lines: string[], patience = PATIENCE): void {
  const log = (level: string, message: string, fields: LogFields = {}) => {
    lines.push(`${level}: ${message} ${Object.keys(fields)} ${fields.help}`);
  };
  new PeerSweep({ loop, log }, patience);
}

/** A session whose connections are all watched as in the programs. */
function watchedSession(stage: Stage, lines: string[] = [], patience = PATIENCE): RelayingSession {
  watchPeersOf(stage, lines, patience);
  return new RelayingSession(stage, () => {
    const { socket, peer } = stage.connect(BUFFER_BYTES);
    for (const { fd } of [socket, peer]) watchPeers(fd);
    return { socket, peer };
  });
}

/** Turns the loop for so long in real time: what the kernels tell each other takes that. */
function wait(stage: Stage, ms: number): void {
  const end = performance.now() + ms;
  stage.until(() => performance.now() >= end, "time passes");
}

for (const [who, other] of [["far", "user"], ["user", "far"]] as const) {
  testOnStage(
    `${who === "far" ? "a ProxyConn" : "a visitor"} that pauses longer than the limit is not dead`,
    (stage) => {
      const scene = watchedSession(stage);
      const sent = scene.block(scene[other]);
      wait(stage, PAUSE_MS);
      assert(scene.isUnderWay);
      stage.until(() => scene[who].read().count === sent, "everything is read in the end");
      scene.dispose();
    },
  );
}

testOnStage("a receiver that pauses before a stream of single bytes is not dead", (stage) => {
  const scene = watchedSession(stage);
  const end = performance.now() + PAUSE_MS;
  let sent = 0;
  stage.until(() => {
    for (let i = 0; i < 100; i++) sent += scene.far.send(Uint8Array.of(sent));
    return performance.now() >= end;
  }, "time passes");
  assert(scene.isUnderWay);
  stage.until(() => scene.user.read().count === sent, "everything is read in the end");
  scene.dispose();
});

testOnStage("a visitor that pauses before the last bytes of a session that has ended gets them", (stage) => {
  watchPeersOf(stage, []);
  const fds: Descriptor[] = [];
  const scene = new RelayingSession(stage, () => {
    const { socket, peer } = stage.connect(BUFFER_BYTES);
    fds.push(socket.fd);
    return { socket, peer };
  });
  // the kernel gives up soon what nobody has a descriptor for
  setLongestRepeat(fds[1], 1000);
  const sent = scene.block(scene.far);
  scene.userEnds();
  scene.localEnds(sent);
  stage.until(() => {
    if (scene.conn.state !== "finished") scene.user.read(500);
    return scene.conn.state === "finished";
  }, "the session ends");
  assert(scene.user.count < sent, "not everything has arrived");
  wait(stage, 2 * PAUSE_MS);
  stage.until(() => scene.user.read().state !== "open", "the end arrives");
  assertEquals([scene.user.state, scene.user.count], ["end", sent]);
  scene.dispose();
});

testOnStage("a session in which nothing is under way may be silent for days", (stage) => {
  const scene = watchedSession(stage);
  scene.pass(200_000_000, 1_000_000);
  assert(scene.isUnderWay);
  scene.dispose();
});

testOnStage("thousands of connections are looked at some in each turn", (stage) => {
  for (let i = 0; i < 600; i++) stage.connect();
  const scene = watchedSession(stage);
  wait(stage, 2 * PATIENCE.payloadMs);
  assert(scene.isUnderWay);
  scene.dispose();
});

function testOnLonelyHost(name: string, body: (stage: Stage, host: LonelyHost) => Promise<void>): void {
  Deno.test({
    name,
    ignore: ignoreWithoutNetworks() || ignoreWithout("nft"),
    async fn() {
      await using host = await LonelyHost.make();
      const stage = new Stage();
      try {
        await body(stage, host);
      } finally {
        stage.dispose();
      }
    },
  });
}

/** The packets of a connection whose one end the test has. */
function packetsOf({ fd }: Peer): string[] {
  const port = portOf(localAddress(fd)!);
  return [`tcp sport ${port}`, `tcp dport ${port}`];
}

for (const [who, other] of [["far", "user"], ["user", "far"]] as const) {
  const name = who === "far" ? "a ProxyConn" : "a visitor";
  testOnLonelyHost(`${name} that is gone is found by what it does not acknowledge`, async (stage, host) => {
    const scene = host.inside(() => watchedSession(stage));
    await host.lose(...packetsOf(scene[who]));
    const since = performance.now();
    scene[other].sendAll("x");
    stage.until(() => !scene.isUnderWay, "it is found");
    assert(performance.now() - since >= PATIENCE.payloadMs, "not before its time");
    stage.until(() => scene[other].read().state !== "open", "the reset arrives");
    assertEquals(scene[other].state, Errno.ECONNRESET);
    scene.dispose();
  });

  testOnLonelyHost(`${name} that pauses and then is gone is found by what it does not answer`, async (stage, host) => {
    const scene = host.inside(() => watchedSession(stage));
    scene.block(scene[other]);
    await host.lose(...packetsOf(scene[who]));
    stage.until(() => !scene.isUnderWay, "it is found");
    scene.dispose();
  });
}

/** Bytes of the largest packets that arrive. */
const HOLE = 1200;
const HOLE_LINE = "warning: Large packets seem to get lost where small ones arrive; a connection is reset peer,help " +
  "net.ipv4.tcp_mtu_probing=1 on this host";

for (const [who, other] of [["far", "user"], ["user", "far"]] as const) {
  const name = who === "far" ? "a client" : "a visitor";
  const holeTo = (scene: RelayingSession, host: LonelyHost) =>
    host.lose(`tcp dport ${portOf(localAddress(scene[who].fd)!)} meta length > ${HOLE}`);

  testOnLonelyHost(`where large packets to ${name} get lost, one line says what helps`, async (stage, host) => {
    const lines: string[] = [];
    const scene = host.inside(() => watchedSession(stage, lines));
    await holeTo(scene, host);
    scene[other].sendAll(new Uint8Array(3000));
    stage.until(() => {
      // small packets arrive either way, as keepalive's do
      if (scene.isUnderWay) scene[who].trySend(Uint8Array.of(1));
      return !scene.isUnderWay;
    }, "it is given up");
    assertEquals(lines, [HOLE_LINE]);
    scene.dispose();
  });

  testOnLonelyHost(`large packets to ${name} arrive with what the line says`, async (stage, host) => {
    const lines: string[] = [];
    host.set("net/ipv4/tcp_mtu_probing", "1");
    // the kernel tries smaller packets when the third large one was lost
    const scene = host.inside(() => watchedSession(stage, lines, { ...PATIENCE, payloadMs: 8000 }));
    await holeTo(scene, host);
    scene[other].sendAll(new Uint8Array(3000));
    stage.until(() => scene[who].read().count === 3000, "everything arrives");
    assertEquals([scene.isUnderWay, lines], [true, []]);
    scene.dispose();
  });
}

testOnLonelyHost(
  "a visitor that vanishes in the middle of a stream is no way that loses packets",
  async (stage, host) => {
    const lines: string[] = [];
    const scene = host.inside(() => watchedSession(stage, lines));
    scene.far.sendAll(new Uint8Array(2000));
    stage.until(() => scene.user.read().count === 2000, "the first bytes arrive");
    scene.settle();
    await host.lose(...packetsOf(scene.user));
    scene.far.sendAll(new Uint8Array(2000));
    stage.until(() => !scene.isUnderWay, "it is found");
    assertEquals(lines, []);
    scene.dispose();
  },
);

testOnLonelyHost("a notice connection whose peer is gone is found sooner", async (stage, host) => {
  const { socket, peer } = host.inside(() => stage.connect());
  watchPeers(socket.fd);
  watchPeersOf(stage, []);
  const pipes = new PipePool();
  const lost: string[] = [];
  const around = quietSurroundings(stage.loop, pipes, new RelayCounters(1, 1).block(0));
  const conn = new NoticeConn(around, 1 as ProxyId, socket, {
    onNotice() {},
    onNoticesClosed: (_conn, reason) => lost.push(reason),
  });
  stage.step(2);
  await host.lose(...packetsOf(peer));
  conn.reset(1 as ProxyId, 1 as SessionNo, 0);
  stage.until(() => lost.length > 0, "it is found");
  assertEquals(lost, ["no answer in time"]);
  pipes.dispose();
});
