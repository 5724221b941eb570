// What is left of a session that has failed: both directions go on to where they can come, so that what was sent in
// front of a reset arrives, and the ProxyConn can be used again. It knows no notices, and not how a session begins.
import { FlowStatus } from "./flow.ts";
import type { Lingerer } from "./lingering.ts";
import type { Relay } from "./relay.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** Bytes on their way to an endpoint that is gone, beyond which a new ProxyConn is cheaper than waiting. */
const MOST_SKIPPED = 1 << 18;

/**
 * Why a session is reset:
 *
 * - `endpoint`: this side's endpoint failed; what it has sent before is still passed on.
 * - `proxy`: the ProxyConn failed; what has come on it before is still passed on.
 * - `told`: the other side said so, and how much there is to pass on.
 */
export type ResetCause = "endpoint" | "proxy" | "told";

/** Whose session it is. */
export interface SessionResetHost {
  /** The other side is to hear of it: everything that will leave has been written. Called once at most. */
  tellReset(): void;
  /** It has taken too long, and is over as it is. */
  onResetStuck(): void;
}

/** See the file's head. One thread. */
export class SessionReset implements Lingerer {
  readonly #relay: Relay;
  readonly #proxy: StreamSocket;
  readonly #host: SessionResetHost;
  /** The other side has not been told yet. */
  #hasNews = true;
  #endpointFailed = false;
  #proxyFailed = false;
  /**
   * What comes on the ProxyConn is left there: it is of no use after this session, but takes what is in front of the
   * reset.
   */
  #isLeftFull = false;
  /** The other side cannot be told anything, nor tell. */
  #isAlone = false;
  #outDone = false;
  #inDone = false;

  /**
   * Takes a session up.
   *
   * @param relay Its directions.
   * @param proxy The ProxyConn's socket.
   * @param host Whose session it is.
   * @param cause Why it is reset.
   */
  constructor(relay: Relay, proxy: StreamSocket, host: SessionResetHost, cause: ResetCause) {
    this.#relay = relay;
    this.#proxy = proxy;
    this.#host = host;
    // that the rest has failed is news also when the end of this direction in order was told before
    this.#hasNews = cause !== "told" || !relay.out.endTold;
    this.add(cause);
  }

  /** Adds a cause. */
  add(cause: ResetCause): void {
    if (cause === "endpoint") this.#endpointFailed = true;
    else if (cause === "proxy") this.#proxyFailed = true;
    else this.#stopSending();
  }

  /** The other side cannot be told or heard: only what is here already is passed on. */
  leaveAlone(): void {
    this.#isAlone = true;
  }

  /** Nothing more leaves for the ProxyConn. */
  #stopSending(): void {
    this.#relay.out.abandon();
    this.#outDone = true;
  }

  /** Whether the endpoint is of no use any more. */
  get endpointDone(): boolean {
    return this.#outDone && (this.#endpointFailed || this.#inDone);
  }

  /** Whether the endpoint can still take bytes. */
  get endpointFailed(): boolean {
    return this.#endpointFailed;
  }

  /** Whether nothing is left to do. */
  get settled(): boolean {
    return this.#outDone && this.#inDone;
  }

  /** Whether the ProxyConn is where the next session could begin. */
  get proxyReusable(): boolean {
    return !this.#proxyFailed && !this.#isLeftFull && !this.#proxy.failed && !this.#isAlone;
  }

  /**
   * Goes on.
   *
   * @param endpoint The endpoint; null when there is none, or none yet.
   * @param awaitsEndpoint Whether there may be one later.
   * @param maySend Whether payload may leave for the ProxyConn.
   * @returns True when there is more to do at once.
   */
  advance(endpoint: StreamSocket | null, awaitsEndpoint: boolean, maySend: boolean): boolean {
    let more = !this.#outDone && this.#advanceOut(endpoint, maySend);
    if (!this.#inDone && this.#advanceIn(endpoint, awaitsEndpoint)) more = true;
    if (this.#outDone) this.#tell();
    return more;
  }

  #tell(): void {
    if (this.#hasNews) this.#host.tellReset();
    this.#hasNews = false;
  }

  /** How far it has come. */
  progress(): number {
    const { in: inward, out } = this.#relay;
    return out.moved + inward.moved + inward.taken;
  }

  /** What was sent in front of it is not taken, or its total is not told. */
  giveUp(): void {
    this.#stopSending();
    this.#tell();
    this.#host.onResetStuck();
  }

  #advanceOut(endpoint: StreamSocket | null, maySend: boolean): boolean {
    const { out } = this.#relay;
    if (this.#proxyFailed || endpoint === null || !out.open || out.ended) {
      this.#stopSending();
      return false;
    }
    if (!maySend) return false;
    // it has failed, and gives what it has received, and then its error or its end
    endpoint.readable = true;
    // the event of urgent data may not be here yet, and none will follow: only recv tells that nothing is left
    endpoint.urgent = true;
    const status = out.pump(endpoint, this.#proxy);
    if (status === FlowStatus.MORE) return true;
    if (status === FlowStatus.WAITS && (out.held > 0 || !this.#proxy.writable)) return false;
    if (status === FlowStatus.DESTINATION_FAILED) this.#proxyFailed = true;
    this.#stopSending();
    return false;
  }

  #advanceIn(endpoint: StreamSocket | null, awaitsEndpoint: boolean): boolean {
    const inward = this.#relay.in;
    if (inward.ended) this.#inDone = true;
    if (this.#endpointFailed || (endpoint === null && !awaitsEndpoint)) this.#skip();
    else if (endpoint !== null && !this.#inDone) {
      if (inward.open) return this.#pass(endpoint);
      // the ProxyConn has failed before it was known where payload begins
      if (this.#proxyFailed) this.#inDone = true;
    }
    return false;
  }

  /** Passes on what has come in front of the reset. */
  #pass(endpoint: StreamSocket): boolean {
    const inward = this.#relay.in;
    if (this.#proxyFailed) this.#proxy.readable = true;
    const status = inward.pump(this.#proxy, endpoint);
    switch (status) {
      case FlowStatus.MORE:
        return true;
      case FlowStatus.WAITS:
        this.#inDone = this.#proxyFailed && inward.held === 0 && endpoint.writable;
        return false;
      case FlowStatus.DESTINATION_FAILED:
        this.#endpointFailed = true;
        this.#skip();
        return false;
      case FlowStatus.SOURCE_FAILED:
        this.#proxyFailed = true;
        break;
    }
    this.#inDone = true;
    return false;
  }

  /** What comes has no taker: the ProxyConn is emptied of it, if that is worth it. */
  #skip(): void {
    const inward = this.#relay.in;
    inward.abandon();
    if (this.#inDone) return;
    if (this.#proxyFailed || this.#proxy.failed || this.#isAlone) {
      this.#inDone = true;
    } else if (inward.open && inward.limit !== null) {
      this.#isLeftFull = inward.limit - inward.taken > MOST_SKIPPED;
      const status = this.#isLeftFull ? FlowStatus.ENDED : inward.skip(this.#proxy);
      if (status === FlowStatus.SOURCE_FAILED) this.#proxyFailed = true;
      this.#inDone = status !== FlowStatus.WAITS;
    }
  }
}
