// The acceptor Worker of the server: it listens on every public port and deals connections out to the relay Workers.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Errno } from "../../ffi/errno.ts";
import { lastAddress, listenOn, localAddress, resetOnClose } from "../../ffi/socket.ts";
import { formatAddress, portOf, withPort } from "../../ffi/socket_address.ts";
import { Acceptor } from "../reactor/acceptor.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../reactor/reactor_worker.ts";
import { Phase } from "../reactor/shared_state.ts";
import { AcceptPauseLog } from "../reactor/accept_pause_log.ts";
import { Record } from "../relay/records.ts";
import { watchPeers } from "../relay/peer_watch.ts";
import { type AcceptorConfig, CONTROL, FIRST_RELAY } from "./worker_config.ts";

class ServerAcceptor implements Reactor {
  readonly #context: ReactorContext;
  readonly #config: AcceptorConfig;
  readonly #listeners = new Map<number, Acceptor>();
  readonly #pauses: AcceptPauseLog;
  #nextRelay = 0;

  constructor(context: ReactorContext, config: AcceptorConfig) {
    this.#context = context;
    this.#config = config;
    this.#pauses = new AcceptPauseLog(context, "public port");
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (words[at]) {
      case Record.LISTEN:
        return this.#listen(words[at + 1], words[at + 2], words[at + 3], words[at + 4]);
      case Record.UNLISTEN:
        return this.#unlisten(words[at + 1]);
      default:
        throw new Error(`Record ${words[at]} does not belong here`);
    }
  }

  #listen(tunnelId: number, control: number, tunnel: number, port: number): void {
    const fd = listenOn(withPort(this.#config.bind, port));
    const address = fd < 0 ? null : localAddress(fd as Descriptor);
    if (address === null) {
      return this.#context.mailbox.send(CONTROL, Record.LISTENING, tunnelId, port, fd < 0 ? -fd : Errno.EINVAL);
    }
    watchPeers(fd as Descriptor);
    // inherited as well: sessions are guarded so, see StreamSocket
    resetOnClose(fd as Descriptor);
    const acceptor = new Acceptor(this.#context.loop, fd as Descriptor, {
      onAccept: (conn) => this.#deal(conn, control, tunnel),
      onAcceptPaused: (reason) => this.#pauses.note(reason, portOf(address)),
    });
    this.#listeners.set(tunnelId, acceptor);
    this.#context.mailbox.send(CONTROL, Record.LISTENING, tunnelId, portOf(address), 0);
  }

  #deal(fd: Descriptor, control: number, tunnel: number): void {
    if (this.#context.logs("debug")) {
      const peer = formatAddress(lastAddress());
      this.#context.log("debug", "PublicConn has come", { peer, client: control, tunnel, relay: this.#nextRelay });
    }
    this.#context.mailbox.send(FIRST_RELAY + this.#nextRelay, Record.PUBLIC_CONN, fd, control, tunnel);
    this.#nextRelay = (this.#nextRelay + 1) % this.#config.relays;
  }

  #unlisten(tunnelId: number): void {
    this.#listeners.get(tunnelId)?.close();
    this.#listeners.delete(tunnelId);
  }

  onMessage(): void {}

  onPhase(phase: number): void {
    if (phase !== Phase.DRAIN) return;
    for (const [tunnelId, acceptor] of [...this.#listeners]) {
      // whoever the kernel has let in already is served
      acceptor.onEvents();
      this.#unlisten(tunnelId);
    }
  }

  dispose(): void {}
}

serveReactor((context, config) => new ServerAcceptor(context, config as AcceptorConfig));
