// What a client does with the ProxyConns that it is asked for: how many it connects, and that failures do no harm.

import type { ProxyId } from "../core/protocol/ids.ts";
import { newTicket } from "../core/protocol/ticket.ts";
import { RelayCounters } from "../core/relay/counters.ts";
import { Mailbox } from "../core/reactor/mailbox.ts";
import { PipePool } from "../core/relay/pipe_pool.ts";
import { NO_CONTROL } from "../core/relay/records.ts";
import type { StreamSocket } from "../core/reactor/stream_socket.ts";
import { ProxyDialer } from "../core/client/relay/proxy_dialer.ts";
import { TICKET_MS } from "../core/client/relay/proxy_connector.ts";
import { internetAddress, type SocketAddress } from "../ffi/socket_address.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { Post } from "./support/post.ts";
import { listenSomewhere, type Stage, testOnStage } from "./support/stage.ts";
import { quietSurroundings } from "./support/surroundings.ts";

const REQUESTS = 4096;

class Scene {
  readonly stage: Stage;
  readonly dialer: ProxyDialer;
  readonly dialed: ProxyId[] = [];
  lines = 0;
  readonly #post = new Post(1, 2);
  readonly #pipes = new PipePool();
  readonly #sockets: StreamSocket[] = [];
  #last = 0;

  constructor(stage: Stage, server: SocketAddress, most: number) {
    this.stage = stage;
    const around = quietSurroundings(stage.loop, this.#pipes, new RelayCounters(1, 1).block(0));
    const context = { loop: stage.loop, log: () => this.lines++, mailbox: new Mailbox(this.#post.wirings[0]) };
    this.dialer = new ProxyDialer(context, around, most, new Int32Array(1), {
      has: (proxy) => this.dialed.includes(proxy),
      onDialed: ({ proxy }, socket) => {
        this.dialed.push(proxy);
        this.#sockets.push(socket);
      },
    });
    this.dialer.open(server);
  }

  ask(count: number): void {
    for (let i = 0; i < count; i++) {
      const proxy = ++this.#last as ProxyId;
      this.dialer.request({ control: NO_CONTROL, proxy, worker: 0, notices: false, ticket: newTicket() });
    }
  }

  dispose(): void {
    this.dialer.close();
    for (const socket of this.#sockets) socket.close();
    this.stage.step();
    this.#pipes.dispose();
    this.#post.dispose();
  }
}

testOnStage("4,096 requests that fail at once, one after the other, are over in one turn", (stage) => {
  // the kernel refuses at once to connect TCP to a broadcast address
  const scene = new Scene(stage, internetAddress("255.255.255.255", 9)!, 1);
  scene.ask(REQUESTS);
  stage.advance(TICKET_MS - 100);
  stage.step(2);
  assertEquals(scene.dialed, []);
  assert(scene.lines > 0, "the first of them were told");
  scene.dispose();
});

testOnStage("what failed takes no room from what is asked for later", (stage) => {
  const { fd, address } = listenSomewhere();
  stage.peer(fd);
  const scene = new Scene(stage, internetAddress("255.255.255.255", 9)!, 1);
  for (let i = 0; i < 3; i++) {
    scene.ask(2);
    stage.advance(TICKET_MS - 100);
    stage.step(2);
    stage.advance(100);
    stage.step(2);
  }
  scene.dialer.open(address);
  scene.ask(1);
  stage.until(() => scene.dialed.length === 1, "the connection");
  scene.dispose();
});
