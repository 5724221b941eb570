// A PublicConn until it has a ProxyConn: it waits, and may go away meanwhile.
import type { Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** One connection of a PublicClient. One thread. */
export class PublicConn implements Task {
  /** Kept by the loop. */
  queued: boolean = false;
  /** Its socket. */
  readonly socket: StreamSocket;
  /** The tunnel that it came to, as the client numbers it. */
  readonly tunnel: number;
  /** Since when it has been waiting, in ms of the loop's clock. */
  readonly since: number;
  /** It has a ProxyConn, or is closed. */
  settled: boolean = false;

  /** Takes up a connection. */
  constructor(socket: StreamSocket, tunnel: number, since: number) {
    this.socket = socket;
    this.tunnel = tunnel;
    this.since = since;
    socket.task = this;
  }

  /** A reset while waiting ends it; payload and FIN stay in the socket for the session to come. */
  run(): void {
    if (!this.settled && this.socket.failed) this.close();
  }

  /** Closes it. */
  close(): void {
    this.settled = true;
    this.socket.close();
  }
}
