// Joins two sockets for one session: the endpoint (PublicConn or LocalConn) and the ProxyConn.
import { Errno } from "../../ffi/errno.ts";
import { takeSocketError } from "../../ffi/socket.ts";
import { Count, type TunnelPlace } from "./counters.ts";
import { Flow, type FlowMeans, FlowStatus } from "./flow.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** Which socket of a session failed, and how. */
export interface RelayFailure {
  /** The socket. */
  readonly side: "endpoint" | "proxy";
  /** A positive errno. */
  readonly code: number;
}

/** Both directions of one session after the other on a ProxyConn. One thread. */
export class Relay {
  /** Endpoint -> ProxyConn. Open when payload may leave for the ProxyConn. */
  readonly out: Flow;
  /** ProxyConn -> endpoint. Open when what the ProxyConn holds is payload. */
  readonly in: Flow;
  /** Set when the session cannot go on. */
  failure: RelayFailure | null = null;

  /**
   * Makes a relay.
   *
   * @param means What its directions share with the others of their Worker.
   */
  constructor(means: FlowMeans) {
    this.out = new Flow(means);
    this.in = new Flow(means);
  }

  /** Makes it ready for another session, of the tunnel whose row begins there, with both directions shut. */
  begin(tunnel: TunnelPlace): void {
    this.out.begin(tunnel, Count.bytesToProxy);
    this.in.begin(tunnel, Count.bytesFromProxy);
    this.failure = null;
  }

  /**
   * Moves what can be moved in one turn.
   *
   * @param endpoint PublicConn or LocalConn.
   * @param proxy The ProxyConn.
   * @returns True when there is more to do at once.
   */
  pump(endpoint: StreamSocket, proxy: StreamSocket): boolean {
    let more = false;
    if (this.in.open && !this.in.ended) {
      const status = this.in.pump(proxy, endpoint);
      if (status === FlowStatus.MORE) more = true;
      else if (status === FlowStatus.SOURCE_FAILED) this.failure = { side: "proxy", code: this.in.error };
      else if (status === FlowStatus.DESTINATION_FAILED) this.failure = { side: "endpoint", code: this.in.error };
    }
    if (this.out.open && !this.out.ended && this.failure === null) {
      const status = this.out.pump(endpoint, proxy);
      if (status === FlowStatus.MORE) more = true;
      else if (status === FlowStatus.SOURCE_FAILED) this.failure = { side: "endpoint", code: this.out.error };
      else if (status === FlowStatus.DESTINATION_FAILED) this.failure = { side: "proxy", code: this.out.error };
    }
    if (this.failure === null && !more) this.#findUnreadError(endpoint, proxy);
    return more && this.failure === null;
  }

  /** An error shows in a read; where no read will come, because that direction has ended or is blocked, ask for it. */
  #findUnreadError(endpoint: StreamSocket, proxy: StreamSocket): void {
    // before payload may leave, what the endpoint has sent must wait
    if (endpoint.failed && this.out.open && !(this.out.ended && this.in.ended)) {
      this.failure = { side: "endpoint", code: takeSocketError(endpoint.fd) || Errno.ECONNRESET };
    } else if (proxy.failed && (this.in.ended || !this.in.open || this.in.held > 0 || !endpoint.writable)) {
      this.failure = { side: "proxy", code: takeSocketError(proxy.fd) || Errno.ECONNRESET };
    }
  }

  /** Lets go of pipes that still hold bytes. */
  abandon(): void {
    this.out.abandon();
    this.in.abandon();
  }
}
