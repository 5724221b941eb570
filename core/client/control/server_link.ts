// The client's link to its server: resolving, connecting, logging in, and beginning anew with back-off when it breaks.
import { Errno, errnoWords } from "../../../ffi/errno.ts";
import { formatAddress, type SocketAddress } from "../../../ffi/socket_address.ts";
import { newInstance } from "../../protocol/auth.ts";
import { CtlConn, type CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { CtlMessage, NewCtlAccepted } from "../../protocol/messages.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { LogFields, LogLevel } from "../../reactor/log_record.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { AddressRace, type AddressRaceEvents, raceOrder } from "../address_race.ts";
import { Backoff } from "./backoff.ts";
import type { Change } from "./change_watch.ts";
import { LinkDoubt } from "./link_doubt.ts";
import { strangeServer } from "./strange_server.ts";
import { ServerLogin } from "./server_login.ts";
import type { Meaning } from "../remembered_name.ts";
import type { ControlConfig } from "../worker_config.ts";

/**
 * Ms for an address to answer when no other is left to try. The kernel asks again after 1 s, and then later and later: on a
 * link that has been down, a new attempt gets through before an old one does.
 */
const CONNECT_MS = 3000;
/** Ms for the whole login. */
const LOGIN_MS = 10_000;
/** Ms for the supervisor to resolve the name: the resolver has time limits of its own. */
const RESOLVE_MS = 60_000;

/** Ms for which an attempt is left alone when something changes. */
const HASTE_MS = 1000;
/** Ms between two lines that say the same. */
const REPEAT_LINE_MS = 30_000;
/** Errors of a connect without an answer. */
const SILENCE: readonly number[] = [
  Errno.ETIMEDOUT,
  Errno.EHOSTUNREACH,
  Errno.ENETUNREACH,
  Errno.ENETDOWN,
  Errno.EHOSTDOWN,
  Errno.EADDRNOTAVAIL,
];

/** Hears of the link. */
export interface ServerLinkEvents {
  /** Asks for the server's name to be resolved; the answer comes by {@linkcode ServerLink.onResolved}. */
  onResolve(): void;
  /** Logged in. `address` is the place of the server's address in the list that {@linkcode ServerLink.onResolved} got. */
  onUp(conn: CtlConn, address: number, accepted: NewCtlAccepted): void;
  /** A message after the login. */
  onCtlMessage(message: CtlMessage): void;
  /** It was up, and is not any more. */
  onDown(): void;
  /** Writes a line for people. */
  log(level: LogLevel, message: string, fields: LogFields): void;
}

/** The states: each has one thing that it waits for. */
type LinkState =
  | { readonly kind: "idle" }
  | { readonly kind: "resolving" }
  | { readonly kind: "connecting" }
  | { readonly kind: "greeting"; readonly conn: CtlConn; readonly login: ServerLogin; readonly address: SocketAddress }
  | { readonly kind: "up"; readonly conn: CtlConn }
  | { readonly kind: "stopped" };

/** See the file's head. One thread. */
export class ServerLink implements TimerTarget, CtlConnOwner, AddressRaceEvents {
  readonly #loop: EventLoop;
  readonly #config: ControlConfig;
  readonly #program: string;
  readonly #events: ServerLinkEvents;
  readonly #instance = newInstance();
  readonly #backoff = new Backoff();
  readonly #timer = new Timer(this);
  #addresses: readonly SocketAddress[] = [];
  /** Why the addresses are from before, if they are. */
  #notNew = "";
  readonly #race: AddressRace;
  readonly #doubt: LinkDoubt;
  /** The address that worked last. */
  #good = "";
  /** One that accepted, and where the login failed. */
  #bad = "";
  /** When the present attempt began, and whether anybody has answered since. */
  #since = 0;
  #answered = false;
  #state: LinkState = { kind: "idle" };
  #draining = false;
  /** Why the link is in doubt. */
  #change: Change | "" = "";
  #logged = { reason: "", at: -Infinity };

  /**
   * Makes a link that is down.
   *
   * @param loop The Worker's loop.
   * @param config The Worker's configuration.
   * @param program Name and version, for the server's log.
   * @param events Hears of the link.
   */
  constructor(loop: EventLoop, config: ControlConfig, program: string, events: ServerLinkEvents) {
    this.#loop = loop;
    this.#config = config;
    this.#program = program;
    this.#events = events;
    this.#race = new AddressRace(loop, this, { patienceMs: CONNECT_MS });
    this.#doubt = new LinkDoubt(loop, (socket, address) => this.#replace(socket, address));
  }

  /** Begins to connect. The server's name is resolved anew each time. */
  start(): void {
    this.#state = { kind: "resolving" };
    this.#since = this.#loop.now;
    this.#answered = false;
    this.#loop.setTimer(this.#timer, RESOLVE_MS);
    this.#events.onResolve();
  }

  /** The answer to onResolve. */
  onResolved({ addresses, reason, answered }: Meaning): void {
    if (this.#state.kind !== "resolving") return;
    this.#addresses = addresses;
    this.#notNew = reason;
    if (addresses.length === 0) {
      this.#answered = answered;
      return this.#failed(reason);
    }
    this.#state = { kind: "connecting" };
    this.#loop.timers.clear(this.#timer);
    this.#race.start(this.#order());
  }

  /** The server's addresses in the order to try. */
  #order(): SocketAddress[] {
    const order = raceOrder(this.#addresses, this.#good);
    const isBad = (address: SocketAddress) => formatAddress(address) === this.#bad;
    return [...order.filter((address) => !isBad(address)), ...order.filter(isBad)];
  }

  /** Something around the client has changed: what is waited for may never come, and what failed may work. */
  onChange(what: Change): void {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
        return this.start();
      case "connecting":
      case "greeting":
        // one that has just begun has seen the change
        if (this.#loop.now - this.#since < HASTE_MS) return;
        this.#race.cancel();
        if (state.kind === "greeting") state.conn.close();
        return this.start();
      case "up":
        this.#change = what;
        return this.#draining ? undefined : this.#doubt.begin(state.conn, this.#order());
      case "resolving":
      case "stopped":
        return;
      default:
        return state satisfies never;
    }
  }

  /** A second connection works, and the ctl_conn does not. */
  #replace(socket: StreamSocket, address: SocketAddress): void {
    if (this.#state.kind !== "up") return socket.close();
    const { server } = this.#config;
    this.#events.log("warning", "The way to the server has changed; logging in anew", { server, reason: this.#change });
    this.#state.conn.close();
    this.#events.onDown();
    this.onRaceWon(socket, address);
  }

  /** The connection is there. */
  onRaceWon(socket: StreamSocket, address: SocketAddress): void {
    this.#answered = true;
    this.#since = this.#loop.now;
    // the ctl_conn watches the descriptor itself
    this.#loop.remove(socket);
    const conn = new CtlConn(this.#loop, socket.fd, this, LOGIN_MS);
    const login = new ServerLogin(this.#config.token, this.#instance, this.#program, this.#config.relays);
    this.#state = { kind: "greeting", conn, login, address };
    this.#bad = formatAddress(address);
    conn.send(login.request);
  }

  /** There was no answer. */
  onRaceLost(): void {
    const { errors, addresses } = this.#race;
    const what = errors.map((code, place) => {
      const silent = SILENCE.includes(code);
      if (!silent) this.#answered = true;
      return `${formatAddress(addresses[place])}${silent ? " is out of reach" : ""}: ${errnoWords(code)}`;
    }).join(", ");
    this.#failed(this.#notNew === "" ? what : `${what}; an address from before, as ${this.#notNew}`);
  }

  /** A message of the server. */
  onMessage(message: CtlMessage): void {
    const state = this.#state;
    if (state.kind === "up") return this.#events.onCtlMessage(message);
    if (state.kind !== "greeting") return;
    const step = state.login.onMessage(message);
    switch (step.kind) {
      case "answer":
        return state.conn.send(step.message);
      case "out":
        state.conn.close();
        return this.#failed(step.reason);
      case "in": {
        const { heartbeatIntervalMs, heartbeatTimeoutMs } = this.#config;
        const { accepted } = step;
        this.#state = { kind: "up", conn: state.conn };
        this.#good = formatAddress(state.address);
        this.#bad = "";
        this.#logged = { reason: "", at: -Infinity };
        this.#backoff.reset();
        // often enough for the server's idea of silence, and for the answers to come in time for the client's own
        const intervalMs = Math.min(heartbeatIntervalMs, heartbeatTimeoutMs / 2, accepted.heartbeat_timeout_ms / 3);
        state.conn.startHeartbeats(intervalMs, heartbeatTimeoutMs);
        return this.#events.onUp(state.conn, this.#addresses.indexOf(state.address), accepted);
      }
      default:
        return step satisfies never;
    }
  }

  /** The ctl_conn is gone. */
  onClosed(reason: string): void {
    this.#doubt.end();
    const state = this.#state;
    if (state.kind === "up") this.#events.onDown();
    const isStrange = state.kind === "greeting" && !state.login.isAnswered;
    this.#failed(isStrange ? strangeServer(this.#config.server, state.conn.rest, reason) : reason);
  }

  #failed(reason: string): void {
    if (this.#state.kind === "stopped") return;
    if (this.#draining) return this.stop();
    this.#state = { kind: "idle" };
    const { now } = this.#loop;
    const delayMs = this.#answered ? this.#backoff.next() : this.#backoff.afterSilence(now - this.#since);
    this.#loop.setTimer(this.#timer, delayMs);
    // the attempts on a link that is down follow each other closely
    if (!this.#answered && reason === this.#logged.reason && now - this.#logged.at < REPEAT_LINE_MS) return;
    this.#logged = { reason, at: now };
    const { server } = this.#config;
    this.#events.log("warning", "Not connected to the server", { server, reason, retry_in_ms: delayMs });
  }

  /** Time to begin anew, or time over for what is waited for. */
  onTimer(): void {
    const state = this.#state;
    switch (state.kind) {
      case "idle":
        return this.start();
      case "resolving":
        return this.#failed("the resolver does not answer");
      case "connecting":
      case "greeting":
      case "up":
      case "stopped":
        return;
      default:
        return state satisfies never;
    }
  }

  /** The program stops: a link that is up stays for what is still to be said about sessions, and no other is made. */
  drain(): void {
    this.#draining = true;
    this.#doubt.end();
    if (this.#state.kind !== "up") this.stop();
  }

  /** Ends the link for good, in order. */
  stop(): void {
    const state = this.#state;
    this.#state = { kind: "stopped" };
    this.#loop.timers.clear(this.#timer);
    if (state.kind === "up" || state.kind === "greeting") state.conn.finish();
    this.#race.cancel();
    this.#doubt.end();
  }
}
