// A ProxyConn and its sessions, as both sides see them: the end of a stream, notices that overtake data, reuse, reset.
// How a session begins differs between the sides and is left to each.
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { shutdownWrite, unsentBytes, waitingBytes } from "../../ffi/socket.ts";
import type { ProxyId, SessionNo } from "../protocol/ids.ts";
import type { Task } from "../reactor/event_loop.ts";
import { type ResetCause, SessionReset, type SessionResetHost } from "./session_reset.ts";
import { Count, placeOf, type TunnelPlace, type TunnelRow } from "./counters.ts";
import { Relay, type RelayFailure } from "./relay.ts";
import type { RelaySurroundings } from "./surroundings.ts";
import { closeBehindTail } from "./tail.ts";
import type { LogFields } from "../reactor/log_record.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/**
 * The states of a ProxyConn:
 *
 * - `idle`: its bytes are frames; it waits for a session.
 * - `starting`: a session has its number; its LocalConn is not connected, or not known to be.
 * - `relaying`: payload both ways.
 * - `resetting`: the session has failed; what was sent before is still passed on, and the ProxyConn emptied.
 * - `finished`: both directions are over here; the server waits for the client's FreeProxyConnReq.
 * - `closed`: for good.
 */
export type ProxyState = "idle" | "starting" | "relaying" | "resetting" | "finished" | "closed";

const NOBODY: LogFields = {};

/** Where notices to the other side go: a notice connection. */
export interface Notices {
  /**
   * This side's endpoint ended after `total` bytes, all of them written to the ProxyConn. Not `urgent` when the other
   * direction has ended before: the other side then only waits to forget the session, and may hear of it a little later.
   */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void;
  /** This session was reset, after `total` bytes of this side's endpoint were written to the ProxyConn. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void;
}

/** A notice about a session whose start has not been read yet. */
interface EarlyNotice {
  readonly session: SessionNo;
  /** Bytes, -1 for not ended. */
  readonly total: number;
  readonly reset: boolean;
}

/** One pooled connection between the two programs. One thread. */
export abstract class ProxyConn<Owner extends Notices = Notices> implements Task, SessionResetHost {
  /** Kept by the loop. */
  queued: boolean = false;
  /** Its number in all messages. */
  readonly id: ProxyId;
  /** Its socket. */
  readonly socket: StreamSocket;
  /** Session number, 0 before the first. */
  session: SessionNo = 0 as SessionNo;
  /** See {@linkcode ProxyState}. */
  state: ProxyState = "idle";
  /** The endpoint of the present session. */
  protected endpoint: StreamSocket | null = null;
  /** The two directions of the present session. */
  protected readonly relay: Relay;
  /** Its Worker. */
  protected readonly around: RelaySurroundings;
  /** Where the tunnel of the present session is counted. */
  protected tunnel: TunnelPlace = 0 as TunnelPlace;
  /**
   * The tunnel and the visitor of the present session, as far as this side knows them; only while debug lines are
   * wanted.
   */
  protected who: LogFields = NOBODY;
  /** Has it, and passes its notices on. */
  protected readonly owner: Owner;
  /** Notices cannot be sent any more: ends are told by FIN, and there is no session after this one. */
  #orphaned = false;
  /** At most one session can be ahead. */
  #early: EarlyNotice | null = null;
  /** What is left of the present session, or how the last one ended: null as long as it has not failed. */
  #reset: SessionReset | null = null;
  /** Where the present session is counted if it fails. */
  #failedAs = Count.sessionsReset;
  /** The other side has reset the present session, which has not been seen to here yet. */
  #isToldReset = false;

  /** Makes an idle ProxyConn; the socket's events are its own from now on. */
  constructor(id: ProxyId, socket: StreamSocket, around: RelaySurroundings, owner: Owner) {
    this.id = id;
    this.socket = socket;
    this.around = around;
    this.owner = owner;
    this.relay = new Relay(around);
    socket.task = this;
    // for good, and not session by session: that would be four more calls for each
    socket.guard();
    around.counters[Count.proxyConnsOpened]++;
  }

  /** Whether a session has begun here and not ended. */
  get inSession(): boolean {
    return this.state === "starting" || this.state === "relaying" || this.state === "resetting";
  }

  /** Handles whatever has become ready. */
  abstract run(): void;

  /** It has been orphaned between sessions. */
  protected abstract onOrphaned(): void;

  /** Both directions are over on this side, in order or by a reset. */
  protected abstract onSessionFinished(): void;

  /** The present session has failed: the side brings it to where its directions are open, or never will be. */
  protected abstract onFailed(cause: ResetCause): void;

  /** Whether the present session may have an endpoint later. */
  protected get awaitsEndpoint(): boolean {
    return false;
  }

  /** The endpoint of the present session is closed. */
  protected onEndpointClosed(): void {}

  /** The same for an endpoint that is closed later, when there may be another session. */
  protected onceEndpointClosed(): () => void {
    return () => {};
  }

  /** It is closed; for the side to forget it. */
  protected abstract onClosed(): void;

  /** Whether it may stay for what its peer has yet to take or to tell, once it has no endpoint any more. */
  protected get mayLinger(): boolean {
    return true;
  }

  /** Its socket is closed, which may be some time after {@linkcode close}. */
  protected onSocketClosed(): void {}

  /** Writes a debug line about the present session, if such lines are wanted. */
  protected debug(message: string, detail: string): void {
    this.around.debug(message, this.id, this.session, this.who, detail);
  }

  /** Takes up a session whose start is known; its directions are shut until the side opens them. */
  protected beginSession(session: SessionNo, row: TunnelRow): void {
    this.session = session;
    this.tunnel = placeOf(row);
    this.state = "starting";
    this.relay.begin(this.tunnel);
    this.#reset = null;
    this.#failedAs = Count.sessionsReset;
    this.#isToldReset = false;
    this.around.counters[this.tunnel + Count.sessionsOpened]++;
    const early = this.#early;
    if (early === null) return;
    this.#early = null;
    if (early.session !== session) return;
    if (early.total >= 0) this.relay.in.limit = early.total;
    this.#isToldReset = early.reset;
  }

  /** The other side has reset the session before it began here, and has sent nothing. */
  protected get isNothing(): boolean {
    return this.#isToldReset && this.relay.in.limit === 0;
  }

  /** Gives the session its endpoint, whose events are the session's from now on. */
  protected attach(endpoint: StreamSocket): void {
    this.endpoint = endpoint;
    endpoint.task = this;
    endpoint.guard();
  }

  /** Moves payload, and acts on what has ended. */
  protected pumpSession(): void {
    const { relay, endpoint, around: { frames } } = this;
    if (this.state === "resetting") return this.#advanceReset();
    if (this.#isToldReset) return this.#beginReset("told");
    if (!frames.flush(this.socket)) return this.fail({ side: "proxy", code: Errno.EPIPE });
    // payload must not overtake a frame
    if (endpoint === null || frames.hasUnsent(this.socket)) return;
    const more = relay.pump(endpoint, this.socket);
    if (relay.failure !== null) return this.fail(relay.failure);
    if (relay.out.ended && !relay.out.endTold) this.#tellOutEnded();
    if (relay.in.ended && !relay.in.endTold) {
      relay.in.noteEndTold();
      shutdownWrite(endpoint.fd);
    }
    if (relay.out.ended && relay.in.ended) return this.#finishSession();
    if (more) this.around.loop.enqueue(this);
  }

  #tellOutEnded(): void {
    this.relay.out.noteEndTold();
    if (this.#orphaned) shutdownWrite(this.socket.fd);
    else this.owner.shutdownPeer(this.id, this.session, this.relay.out.moved, !this.relay.in.ended);
  }

  #finishSession(): void {
    this.#dropEndpoint("end");
    this.state = "finished";
    this.around.counters[this.tunnel + Count.sessionsEnded]++;
    const { around, relay } = this;
    if (around.debugging) {
      const bytes = `${relay.out.moved} bytes to the data connection, ${relay.in.moved} from it`;
      this.debug("Session has ended", bytes);
    }
    // a FIN, either way and read or not, means that there is no session after this one
    if (this.#orphaned || relay.in.sourceEnded || this.socket.hungUp) this.close();
    else this.onSessionFinished();
  }

  #dropEndpoint(how: "end" | "reset" | "linger"): void {
    const { endpoint } = this;
    if (endpoint === null) return;
    this.endpoint = null;
    if (how === "linger") return this.around.lingering.reset(endpoint, this.onceEndpointClosed());
    if (how === "end") return closeBehindTail(endpoint, this.onceEndpointClosed());
    endpoint.reset();
    this.onEndpointClosed();
  }

  /** The other side's endpoint ended after `total` bytes. Stale notices are ignored, early ones kept. */
  onShutdownPeer(session: SessionNo, total: number): void {
    if (session > this.session) {
      this.#early = { session, total, reset: this.#early?.session === session && this.#early.reset };
    } else if (session === this.session && this.inSession && this.#limit(total)) this.around.loop.enqueue(this);
  }

  /** The session has failed on the other side, whose endpoint had sent `total` bytes. */
  onResetPeer(session: SessionNo, total: number): void {
    if (session > this.session) this.#early = { session, total, reset: true };
    else if (session === this.session && this.inSession && this.#limit(total)) this.#beginReset("told");
  }

  /** False when more has come than the other side says that it has sent. */
  #limit(total: number): boolean {
    const { in: inward } = this.relay;
    const fits = inward.taken <= total;
    if (fits) inward.limit = total;
    // nothing of what comes can be right
    else inward.open = false;
    if (!fits) this.fail({ side: "proxy", code: Errno.ECONNRESET });
    return fits;
  }

  /**
   * Its ctl_conn or notice connection is gone. A session goes on; its ends are told by FIN, also an end that a notice has
   * told before.
   */
  orphan(): void {
    if (this.#orphaned) return;
    this.#orphaned = true;
    if (!this.inSession) this.onOrphaned();
    else if (this.#reset !== null) {
      this.#reset.leaveAlone();
      this.around.loop.enqueue(this);
    } else if (this.relay.out.endTold) shutdownWrite(this.socket.fd);
  }

  /**
   * How far a session has come, one of whose directions has ended, if it is up to what this side sees to go on: a number
   * that grows with every byte that is moved and again when the peer's kernel has it. Null for all others: they may stand
   * still for ever, or the other side judges, which knows whether its endpoint sends or takes what it should.
   */
  halfClosedProgress(): number | null {
    const { relay: { in: inward, out }, endpoint, socket } = this;
    if (endpoint === null || this.#reset !== null || !this.inSession) return null;
    const outEnds = out.sourceEnded || endpoint.hungUp;
    if (!outEnds && inward.limit === null && !socket.hungUp) return null;
    const inBlocked = inward.held > 0 || !endpoint.writable;
    const outBlocked = out.held > 0 || !socket.writable;
    // the endpoint does not read; or it has our end of the stream and makes none; or nobody takes the rest of its stream
    if (!inBlocked && !(inward.ended && !outBlocked) && !(outEnds && outBlocked)) return null;
    return 2 * (out.moved + inward.moved) - unsentBytes(socket.fd) - unsentBytes(endpoint.fd);
  }

  /** The process is about to end in order: what a finished session has left in the kernel's buffers is to arrive. */
  leave(): void {
    if (!this.inSession && this.#reset === null) this.socket.unguard();
  }

  /**
   * One of its sockets has failed, or is given up. In a session that is the end of it, and what can still arrive does;
   * between sessions the ProxyConn is reset.
   */
  fail({ side, code }: RelayFailure): void {
    if (this.around.debugging) this.debug("Session is reset", `${side}: ${errnoWords(code)}`);
    if (this.inSession) return this.#beginReset(side);
    this.socket.reset();
    this.close();
  }

  /**
   * There is no endpoint for the session.
   *
   * @param isTold Whether the other side knows already, by a frame that says that no payload comes.
   */
  protected refuse(isTold: boolean): void {
    this.#failedAs = Count.sessionsRefused;
    if (isTold) this.relay.out.noteEndTold();
    this.#beginReset("told");
  }

  #beginReset(cause: ResetCause): void {
    if (this.#reset === null) {
      this.#reset = new SessionReset(this.relay, this.socket, this, cause);
      this.#isToldReset = false;
      this.state = "resetting";
      this.around.lingering.add(this.#reset);
      this.onFailed(cause);
    } else this.#reset.add(cause);
    this.#advanceReset();
  }

  #advanceReset(): void {
    if (this.state !== "resetting") return;
    const { frames, lingering, loop } = this.around;
    const reset = this.#reset!;
    if (!frames.flush(this.socket)) reset.add("proxy");
    // payload must not overtake a frame
    const more = reset.advance(this.endpoint, this.awaitsEndpoint, !frames.hasUnsent(this.socket));
    if (reset.endpointDone) this.#dropEndpoint(reset.endpointFailed ? "reset" : "linger");
    if (reset.settled || (reset.endpointDone && !this.mayLinger)) {
      lingering.remove(reset);
      this.#finishReset(reset.settled && reset.proxyReusable && !this.#orphaned && !this.socket.hungUp);
    } else if (more) loop.enqueue(this);
  }

  #finishReset(isReusable: boolean): void {
    this.around.counters[this.tunnel + this.#failedAs]++;
    this.state = "finished";
    if (isReusable) this.onSessionFinished();
    else this.close();
  }

  /** Tells the other side of the reset. Called by what is left of the session. */
  tellReset(): void {
    if (!this.#orphaned) this.owner.reset(this.id, this.session, this.relay.out.moved);
  }

  /** What is left of the session will not be settled. */
  onResetStuck(): void {
    if (this.state === "resetting") this.#finishReset(false);
  }

  /** Closes it. An endpoint that there still is sees a reset: only a session that has ended in order ends it so. */
  close(): void {
    if (this.state === "closed") return;
    if (this.state === "resetting") this.around.lingering.remove(this.#reset!);
    this.state = "closed";
    this.relay.abandon();
    this.around.frames.forget(this.socket);
    this.#dropEndpoint("reset");
    if (!this.mayLinger && (this.#reset !== null || waitingBytes(this.socket.fd) > 0)) this.socket.reset();
    const onSocketClosed = () => this.onSocketClosed();
    // after a reset the other side may not have heard of it: to it, an end in order would be the end of the stream
    if (this.#reset === null) closeBehindTail(this.socket, onSocketClosed);
    else this.around.lingering.reset(this.socket, onSocketClosed);
    this.around.counters[Count.proxyConnsClosed]++;
    this.onClosed();
  }
}
