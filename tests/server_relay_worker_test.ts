// The server's relay Worker itself: tickets that are good once, and connections of clients that it does not know.
// The test plays its control Worker and acceptor.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import type { ControlId, ProxyId, SessionNo, TunnelNo } from "../core/protocol/ids.ts";
import { encodeStartRsp, PROXY_FRAME_BYTES, START_CONNECTED } from "../core/protocol/proxy_frame.ts";
import type { Ticket } from "../core/protocol/ticket.ts";
import { EventLoop } from "../core/reactor/event_loop.ts";
import { Mailbox } from "../core/reactor/mailbox.ts";
import type { WorkerPost, WorkerStart } from "../core/reactor/reactor_worker.ts";
import { Phase } from "../core/reactor/shared_state.ts";
import { RelayCounters, type TunnelRow } from "../core/relay/counters.ts";
import { ClientLoads } from "../core/server/client_loads.ts";
import { ConnectionCounts, type PortPlace, portPlaceOf } from "../core/server/connection_counts.ts";
import { MOST_TUNNELS } from "../core/server/worker_config.ts";
import { WaitingRoom } from "../core/server/waiting_room.ts";
import {
  kindOf,
  type NeedProxyRecord,
  readBadTicket,
  readNeedProxy,
  RecordKind,
  sendClientUp,
  sendControlLost,
  sendProxyConn,
  sendPublicConn,
} from "../core/relay/records.ts";
import { ACCEPTOR, CONTROL, FIRST_RELAY, type RelayConfig } from "../core/server/worker_config.ts";
import { assertEquals } from "./support/assert.ts";
import { soon } from "./support/conns.ts";
import { Post } from "./support/post.ts";
import { connectedPair, Peer } from "./support/stage.ts";

const PATIENCE_MS = 10_000;
const HALF_CLOSE_TIMEOUT_MS = 60_000;
const GRANTS = 2;
const CLIENT = 7 as ControlId;
const OTHER_CLIENT = 8 as ControlId;
const NOBODY = 9 as ControlId;

/** The Worker and its surroundings. */
class Scene {
  /** ProxyConns that the Worker has asked for. */
  readonly asked: Readonly<NeedProxyRecord>[] = [];
  readonly counts = new ConnectionCounts(GRANTS);
  readonly loads = new ClientLoads();
  readonly control: Mailbox;
  readonly acceptor: Mailbox;
  readonly #post = new Post(3, 64);
  readonly #loop = new EventLoop();
  readonly #worker: Worker;
  readonly #stopped: Promise<WorkerPost>;
  readonly #fds: Descriptor[] = [];
  readonly #aheadMs = new SharedArrayBuffer(Float64Array.BYTES_PER_ELEMENT);

  constructor() {
    this.control = new Mailbox(this.#post.wirings[CONTROL]);
    this.acceptor = this.#post.open(ACCEPTOR).mailbox;
    this.control.setHandler({
      onRecord: (_from, words, at) => {
        // the control Worker closes it sooner or later
        if (kindOf(words, at) === RecordKind.BAD_TICKET) return close(readBadTicket(words, at));
        assertEquals(kindOf(words, at), RecordKind.NEED_PROXY);
        this.asked.push({ ...readNeedProxy(words, at) });
      },
      onMessage() {},
      onPhase() {},
    });
    this.#loop.addConnection(this.control);
    this.#loop.setMail(this.control);
    this.#worker = new Worker(new URL("./support/later_relay_worker.ts", import.meta.url), { type: "module" });
    this.#stopped = new Promise((resolve) => {
      this.#worker.onmessage = ({ data }: MessageEvent<WorkerPost>) => {
        if (data.kind === "stopped" || data.kind === "failed") resolve(data);
      };
    });
    const config: RelayConfig = {
      index: 0,
      relays: 1,
      counters: new RelayCounters(1, MOST_TUNNELS).memory,
      grants: GRANTS,
      counts: this.counts.memory,
      shares: { descriptors: 1000, maxConnections: [Infinity, Infinity], poolCount: 1 },
      poolCount: 1,
      loads: this.loads.memory,
      pipes: 4,
      waitingRoom: new WaitingRoom(1).memory,
      bufferLimit: null,
      halfCloseTimeoutMs: HALF_CLOSE_TIMEOUT_MS,
    };
    const start: WorkerStart = { wiring: this.#post.wirings[FIRST_RELAY], logLevel: "info", config };
    this.#worker.postMessage({ ...start, aheadMs: this.#aheadMs });
  }

  /** Hands a new connection over; the far end is the test's. */
  #hand(send: (near: Descriptor) => void): Peer {
    const [near, far] = connectedPair();
    send(near);
    const peer = new Peer(far);
    this.#fds.push(far);
    return peer;
  }

  /** A PublicConn. */
  visit(control: ControlId, row: TunnelRow, place: PortPlace): Peer {
    return this.#hand((fd) => sendPublicConn(this.acceptor, FIRST_RELAY, fd, control, 1 as TunnelNo, row, place, 0));
  }

  /** The client's ctl_conn is there. */
  up(control: ControlId): void {
    sendClientUp(this.control, FIRST_RELAY, control, 0, 1);
  }

  /** The client's ctl_conn is gone. */
  lost(control: ControlId): void {
    sendControlLost(this.control, FIRST_RELAY, control);
  }

  /** A connection to the proxy port whose greeting claims a ProxyConn. */
  claim({ proxy }: { readonly proxy: ProxyId }, ticket: Ticket): Peer {
    return this.#hand((fd) => sendProxyConn(this.control, FIRST_RELAY, fd, proxy, ticket));
  }

  /** Turns until the Worker has asked for so many ProxyConns. */
  awaitAsked(count: number): void {
    const deadline = performance.now() + PATIENCE_MS;
    while (this.asked.length < count && performance.now() < deadline) this.#loop.turn();
    assertEquals(this.asked.length, count);
  }

  /** Moves the Worker's clock on, and wakes it: a ticket that nobody came with is then replaced. */
  pass(ms: number): void {
    new Float64Array(this.#aheadMs)[0] += ms;
    this.lost(NOBODY);
    this.awaitAsked(this.asked.length + 1);
  }

  async stop(): Promise<void> {
    this.#post.state.enterPhase(Phase.STOP);
    assertEquals((await soon("the end of the Worker", this.#stopped)).kind, "stopped");
    for (const fd of this.#fds) close(fd);
    this.#loop.dispose();
    this.#post.dispose();
  }
}

/** Reads until `done`, with a bound; another thread is at the other end. */
function readUntil(peer: Peer, done: () => boolean, what: string): void {
  const deadline = performance.now() + PATIENCE_MS;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`It did not happen in ${PATIENCE_MS} ms: ${what}`);
    peer.read();
  }
}

function assertRefused({ control }: Scene, peer: Peer): void {
  readUntil(peer, () => {
    control.deliver();
    return peer.state !== "open";
  }, "the end of the connection");
  assertEquals(peer.count, 0);
}

/** What a Worker holds when it stops lives as long as the process, so descriptors are not compared here. */
function testWorker(name: string, body: (scene: Scene) => void): void {
  Deno.test({
    name,
    sanitizeOps: false,
    sanitizeResources: false,
    async fn() {
      const scene = new Scene();
      try {
        body(scene);
      } finally {
        await scene.stop();
      }
    },
  });
}

/** A visitor of `control` is served on `proxy`: both are good. */
function assertServes(scene: Scene, control: ControlId, proxy: Peer): Peer {
  const visitor = scene.visit(control, 5 as TunnelRow, portPlaceOf(1, 9000));
  readUntil(proxy, () => proxy.count === PROXY_FRAME_BYTES || proxy.state !== "open", "the start of the session");
  assertEquals(proxy.take().length, PROXY_FRAME_BYTES);
  return visitor;
}

/** The two connections that a client is asked for at first: one for notices, and one for sessions. */
function firstOf(scene: Scene, control: ControlId) {
  const [notices, asked] = scene.asked.filter((asked) => asked.control === control);
  assertEquals([notices.notices, asked.notices], [true, false]);
  return [notices, asked];
}

testWorker("a ticket is good for its own ProxyConn, and once", (scene) => {
  scene.up(CLIENT);
  scene.awaitAsked(2);
  const [notices, asked] = firstOf(scene, CLIENT);
  const [a, b, c, d] = asked.ticket;
  assertRefused(scene, scene.claim(asked, [a, b, c, d ^ 1]));
  assertRefused(scene, scene.claim({ ...asked, proxy: (asked.proxy + 1) as ProxyId }, asked.ticket));
  assertRefused(scene, scene.claim(notices, asked.ticket));
  const proxy = scene.claim(asked, asked.ticket);
  scene.claim(notices, notices.ticket);
  assertRefused(scene, scene.claim(asked, asked.ticket));
  assertRefused(scene, scene.claim(notices, notices.ticket));
  assertServes(scene, CLIENT, proxy);
});

testWorker("the tickets of a client that has gone are worthless", (scene) => {
  scene.up(CLIENT);
  scene.up(OTHER_CLIENT);
  scene.awaitAsked(4);
  scene.lost(CLIENT);
  for (const { proxy, ticket } of firstOf(scene, CLIENT)) assertRefused(scene, scene.claim({ proxy }, ticket));
  const [notices, asked] = firstOf(scene, OTHER_CLIENT);
  scene.claim(notices, notices.ticket);
  assertServes(scene, OTHER_CLIENT, scene.claim(asked, asked.ticket));
});

testWorker("a PublicConn of a client that has gone is closed, and counted out", (scene) => {
  scene.up(CLIENT);
  scene.lost(CLIENT);
  const grant = 1;
  const place = portPlaceOf(grant, 9000);
  scene.counts.opened(place);
  scene.loads.count(CLIENT, 1);
  assertRefused(scene, scene.visit(CLIENT, 5 as TunnelRow, place));
  const { counts, loads } = scene;
  assertEquals(loads.of(CLIENT), 0);
  assertEquals([counts.inAll(), counts.ofGrant(grant), counts.ofPort(place)], [0, 0, 0]);
});

testWorker("a session that is idle for an hour is cut by no timer", (scene) => {
  scene.up(CLIENT);
  scene.awaitAsked(2);
  const [notices, asked] = firstOf(scene, CLIENT);
  scene.claim(notices, notices.ticket);
  const proxy = scene.claim(asked, asked.ticket);
  const visitor = assertServes(scene, CLIENT, proxy);
  const frame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
  encodeStartRsp(frame, 1 as SessionNo, START_CONNECTED);
  proxy.sendAll(new Uint8Array(frame.buffer));
  const exchange = () => {
    visitor.sendAll("question");
    readUntil(proxy, () => proxy.count === 8, "the question");
    proxy.sendAll("answer");
    readUntil(visitor, () => visitor.count === 6, "the answer");
    assertEquals([proxy.text(), visitor.text()], ["question", "answer"]);
  };
  exchange();
  // the one that is to be ready for the next
  scene.awaitAsked(3);
  for (let minute = 0; minute < 60; minute++) scene.pass(60_000);
  exchange();
});
