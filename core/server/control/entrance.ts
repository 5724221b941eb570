// The two ports that strangers come to, and what they may do there: log in, or show a ticket. Both in a bounded time and in
// bounded memory, whatever they send and however many they are.
import { close as closeDescriptor, type Descriptor } from "../../../ffi/descriptor.ts";
import { lastAddress, localAddress, peerAddress, setDeferAccept } from "../../../ffi/socket.ts";
import { formatAddress, portOf, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { ProxyMetaSet } from "../../protocol/proxy_frame.ts";
import { Acceptor } from "../../reactor/acceptor.ts";
import { FairTurns } from "../../reactor/fair_turns.ts";
import { LogLimit, shortageLog } from "../../reactor/log_limit.ts";
import type { ReactorContext } from "../../reactor/reactor_worker.ts";
import { limitBuffers } from "../../relay/buffers.ts";
import { paceFromAfar, unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";
import type { Grant } from "../policy/grant.ts";
import { FirstByte, type FirstByteEvents } from "./first_byte.ts";
import { LateRefusal } from "./late_refusal.ts";
import { type LoggedIn, Login, type LoginEvents } from "./login.ts";
import { LoginThrottle } from "../policy/login_throttle.ts";
import { networkOf } from "../policy/network.ts";
import { ProxyGreeting, type ProxyGreetingEvents } from "./proxy_greeting.ts";
import { DEFER_ACCEPT_S, StrangerLimit } from "../policy/stranger_limit.ts";
import type { ControlConfig } from "../worker_config.ts";

/** Lines a minute about logins that failed: enough to see what is wrong, too few to fill a disk. */
const FAILURE_LINES = 20;

/** What is behind the entrance. */
export interface EntranceEvents {
  /** Why a client of that grant may not log in, or null. */
  whyNotIn(grant: Grant, instance: string): string | null;
  /** A client has logged in. Returns the owner of its connection from now on. */
  onLoggedIn(login: LoggedIn): CtlConnOwner;
  /** A connection shows a ticket. Returns false when the relay Worker that it names does not exist. */
  onGreeting(fd: Descriptor, relay: number, meta: ProxyMetaSet): boolean;
}

/** See the file's head. One thread. */
export class Entrance implements ProxyGreetingEvents, FirstByteEvents {
  readonly #context: ReactorContext;
  readonly #config: ControlConfig;
  readonly #events: EntranceEvents;
  readonly #strangers: StrangerLimit;
  readonly #throttle = new LoginThrottle();
  /** Of all ctl_conns, also of clients that have logged in. */
  readonly #turns: FairTurns;
  /** Of tickets, not of proofs: neither slows the other down. */
  readonly #tickets = new LoginThrottle();
  readonly #badTickets: LogLimit;
  readonly #failures: LogLimit;
  /** Null when ctl_port is proxy_port as well, which stays open. */
  #ctlAcceptor: Acceptor | null = null;
  #closed = false;

  /** Starts to accept on both ports. */
  constructor(context: ReactorContext, config: ControlConfig, events: EntranceEvents) {
    this.#context = context;
    this.#config = config;
    this.#events = events;
    this.#turns = new FairTurns(context.loop);
    this.#badTickets = new LogLimit(context, { lines: 1 });
    this.#failures = new LogLimit(context, { lines: FAILURE_LINES });
    const { maxUnauthenticated, maxUnauthenticatedPerAddress } = config;
    const evictions = new LogLimit(context, { lines: 1 });
    this.#strangers = new StrangerLimit(maxUnauthenticated, maxUnauthenticatedPerAddress, () => {
      evictions.log("warning", "Too many connections that do not log in: old ones are closed", {
        max_unauthenticated: maxUnauthenticated,
        max_unauthenticated_per_address: maxUnauthenticatedPerAddress,
      });
    });
    limitBuffers(config.bufferLimit);
    const { ctlListener, proxyListener } = config;
    setDeferAccept(proxyListener, DEFER_ACCEPT_S);
    watchPeers(proxyListener);
    unpace(proxyListener);
    if (ctlListener === proxyListener) {
      this.#acceptOn(proxyListener, "ctl_port", (fd) => this.#onEither(fd));
      return;
    }
    setDeferAccept(ctlListener, DEFER_ACCEPT_S);
    this.#ctlAcceptor = this.#acceptOn(ctlListener, "ctl_port", (fd) => this.onCtlConn(fd, lastAddress()));
    this.#acceptOn(proxyListener, "proxy_port", (fd) => {
      paceFromAfar(fd);
      this.onProxyConn(fd, lastAddress());
    });
  }

  /** One port is both. */
  #onEither(fd: Descriptor): void {
    paceFromAfar(fd);
    const address = lastAddress();
    const first = new FirstByte(this.#context.loop, fd, address, this);
    if (first.isPending) this.#strangers.admit(first, networkOf(address));
  }

  #acceptOn(listener: Descriptor, what: string, onAccept: (fd: Descriptor) => void): Acceptor {
    const shortage = shortageLog(this.#context);
    const port = portOf(localAddress(listener)!);
    return new Acceptor(this.#context.loop, listener, {
      onAccept,
      onAcceptPaused: (reason) =>
        shortage.log("warning", `Cannot accept on ${what}; connections wait`, { port, reason }),
    });
  }

  /** A connection that may log in. */
  onCtlConn(fd: Descriptor, address: SocketAddress): void {
    if (this.#closed) return void closeDescriptor(fd);
    const network = networkOf(address);
    const { loop } = this.#context;
    const login = new Login(loop, fd, address, this.#config.grants, this.#loginEvents(network), this.#turns);
    this.#strangers.admit(login, network);
    login.start();
  }

  #loginEvents(network: string): LoginEvents {
    const { loop } = this.#context;
    return {
      onLoginBegun: (login) => this.#strangers.begin(login),
      onProofShown: (login) => this.#strangers.prove(login),
      mayCompareNow: () => this.#throttle.mayCompareNow(network, loop.now),
      delayMs: () => this.#throttle.delayMs(network, loop.now),
      onWrongProof: () => this.#throttle.failed(network, loop.now),
      whyNotIn: (grant, instance) => this.#events.whyNotIn(grant, instance),
      onLoggedIn: (loggedIn) => this.#events.onLoggedIn(loggedIn),
      onLoginFailed: (address, reason) => this.#failures.log("info", "Login has failed", { address, reason }),
      onStrangerGone: (login) => this.#strangers.leave(login),
    };
  }

  /** Nearly always the greeting has come with the connection, and then there is no stranger to count. */
  onProxyConn(fd: Descriptor, address: SocketAddress): void {
    const greeting = new ProxyGreeting(this.#context.loop, fd, this);
    if (greeting.isPending) this.#strangers.admit(greeting, networkOf(address));
  }

  /** A ProxyConn to be. */
  onGreeting(fd: Descriptor, relay: number, meta: ProxyMetaSet): boolean {
    return this.#events.onGreeting(fd, relay, meta);
  }

  /**
   * A relay Worker has found that a ticket is wrong. One may have come too late; where there are many, they are closed as
   * late as a wrong proof is answered. Right ones never wait.
   */
  onBadTicket(fd: Descriptor): void {
    const { loop } = this.#context;
    const address = peerAddress(fd);
    if (address === null) return void closeDescriptor(fd);
    const network = networkOf(address);
    const delayMs = this.#tickets.delayMs(network, loop.now);
    this.#tickets.failed(network, loop.now);
    if (delayMs === 0) return void closeDescriptor(fd);
    this.#badTickets.log("warning", "Connections with wrong tickets come to proxy_port", {
      address: formatAddress(address),
    });
    const refusal = new LateRefusal(loop, fd, delayMs, (refusal) => this.#strangers.leave(refusal));
    this.#strangers.admit(refusal, network);
  }

  /** A connection that has no business there. */
  onGreetingRefused(reason: string): void {
    if (this.#context.logs("debug")) this.#context.log("debug", "Data connection is refused", { reason });
  }

  /** A slow one is through, or closed. */
  onStrangerGone(stranger: ProxyGreeting | FirstByte): void {
    this.#strangers.leave(stranger);
  }

  /** Accepts no client any more. Clients that are logged in still need ProxyConns. */
  close(): void {
    this.#closed = true;
    this.#ctlAcceptor?.close();
  }
}
