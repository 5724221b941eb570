// What a change around the client does to its link: a question, a second connection beside the first, and who stays.

import { ChangeWatch } from "../core/client/control/change_watch.ts";
import { LinkDoubt } from "../core/client/control/link_doubt.ts";
import { CtlConn } from "../core/protocol/ctl_conn.ts";
import { tunnelNo } from "./support/ids.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { close } from "../ffi/descriptor.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { accepted, listenSomewhere, type Peer, refusingAddress, type Stage, testOnStage } from "./support/stage.ts";

const BUFFER = 10_000;

/** A ctl_conn whose peer takes nothing, so that its kernel has yet to acknowledge something; and a doubt. */
class Scene {
  readonly conn: CtlConn;
  readonly peer: Peer;
  readonly doubt: LinkDoubt;
  readonly replaced: StreamSocket[] = [];
  readonly server = listenSomewhere();
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
    const { fd, peer } = stage.connectUnwatched(BUFFER);
    this.peer = peer;
    this.conn = new CtlConn(stage.loop, fd, { onMessage() {}, onClosed() {} }, 3_600_000);
    stage.step();
    this.doubt = new LinkDoubt(stage.loop, (socket) => this.replaced.push(socket));
  }

  /** Sends more than there is room for. */
  clog(): void {
    const allow = Array.from({ length: 64 }, () => "192.0.2.1");
    for (let i = 0; i < 300; i++) {
      this.conn.send({ type: "NewTunnelReq", tunnel: tunnelNo(1), name: "web", remote_port: 0, allow, deny: [] });
    }
    this.#stage.step(3);
    assert(this.conn.hasUnacknowledged);
  }

  /** The peer takes all. */
  unclog(): void {
    this.#stage.until(() => {
      this.peer.read().take();
      return !this.conn.hasUnacknowledged;
    }, "the peer has taken all");
  }

  dispose(): void {
    this.doubt.end();
    this.conn.close();
    for (const socket of this.replaced) socket.close();
    close(this.server.fd);
    this.#stage.step();
  }
}

function testDoubt(name: string, body: (scene: Scene, stage: Stage) => void): void {
  testOnStage(name, (stage) => {
    const scene = new Scene(stage);
    try {
      body(scene, stage);
    } finally {
      scene.dispose();
    }
  });
}

testDoubt(
  "a peer whose kernel acknowledges the question is not doubted any more",
  ({ conn, doubt, server, replaced }, stage) => {
    doubt.begin(conn, [server.address]);
    stage.step();
    stage.until(() => !conn.hasUnacknowledged, "an acknowledgement");
    stage.advance(1000);
    stage.advance(60_000);
    assertEquals([replaced, stage.loop.timers.size], [[], 1]); // that of the login
  },
);

testDoubt("a second connection that works takes the place of a silent one, after a grace", (scene, stage) => {
  const { conn, doubt, server, replaced } = scene;
  scene.clog();
  doubt.begin(conn, [server.address]);
  stage.advance(1000);
  stage.peer(accepted(server.fd));
  stage.step(3);
  stage.advance(2000);
  assertEquals(replaced, []);
  stage.advance(600);
  assertEquals(replaced.length, 1);
});

testDoubt("a first connection that catches up during the grace stays, and the second one is closed", (scene, stage) => {
  const { conn, doubt, server, replaced } = scene;
  scene.clog();
  doubt.begin(conn, [server.address]);
  stage.advance(1000);
  const second = stage.peer(accepted(server.fd));
  stage.step(3);
  scene.unclog();
  stage.advance(2600);
  stage.until(() => second.read().state === "end", "its end");
  assertEquals([replaced, stage.loop.timers.size], [[], 1]);
});

testDoubt(
  "nothing is given up while no second connection can be made, which is tried again and again",
  (scene, stage) => {
    const { conn, doubt, server, replaced } = scene;
    scene.clog();
    doubt.begin(conn, [refusingAddress()]);
    for (let i = 0; i < 10; i++) {
      stage.advance(1000);
      stage.step(3);
    }
    assertEquals([replaced, stage.loop.timers.size], [[], 2]);
    doubt.begin(conn, [server.address]);
    stage.advance(1000);
    stage.peer(accepted(server.fd));
    stage.step(3);
    stage.advance(2600);
    assertEquals(replaced.length, 1);
  },
);

testOnStage("a pause of the program is noticed, and a busy loop is none", (stage) => {
  const changes: string[] = [];
  const watch = new ChangeWatch(stage.loop, (what) => changes.push(what));
  for (let i = 0; i < 10; i++) stage.advance(1000);
  stage.advance(1000);
  assertEquals(changes, []);
  stage.advance(20_000);
  stage.advance(300);
  assertEquals(changes, ["this program was stopped for a time"]);
  watch.dispose();
  assertEquals(stage.loop.timers.size, 0);
});
