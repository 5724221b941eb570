// A PublicConn until it has a ProxyConn: it waits, first for its readiness to be known, and may go away meanwhile.
import { peek } from "../../../ffi/socket.ts";
import type { Task } from "../../reactor/event_loop.ts";
import type { Linked, LinkedList } from "../../reactor/linked_list.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import type { TunnelRow } from "../../relay/counters.ts";
import type { PortPlace } from "../connection_counts.ts";

// one per Worker: nobody looks at what it holds
const oneByte = new Uint8Array(1);

/** The owner of PublicConns. */
export interface PublicConnOwner {
  /** Serves one, whose first event has told whether there is payload already. */
  serve(conn: PublicConn): void;
  /** One is closed that had no ProxyConn. */
  onUnservedClosed(conn: PublicConn): void;
}

/** One connection of a PublicClient. One thread. */
export class PublicConn implements Task, Linked<PublicConn> {
  /** Where it waits. Kept by the list, as the other two. */
  list: LinkedList<PublicConn> | null = null;
  /** What comes before it there. */
  before: PublicConn | null = null;
  /** What comes after it there. */
  after: PublicConn | null = null;
  /** Kept by the loop. */
  queued: boolean = false;
  /** Its socket. */
  readonly socket: StreamSocket;
  /** The tunnel that it came to, as the client numbers it. */
  readonly tunnel: number;
  /** Where that tunnel is counted. */
  readonly row: TunnelRow;
  /** The port that it came to, to be counted out there. */
  readonly place: PortPlace;
  /** Who has come, as `visitorHash` makes it. */
  readonly visitor: number;
  /** Since when it has been waiting, in ms of the loop's clock. */
  readonly since: number;
  readonly #owner: PublicConnOwner;
  readonly #onWaiting: (change: 1 | -1) => void;
  #settled = false;
  #ready = false;

  /**
   * Takes up a connection.
   *
   * @param socket Its socket, new to the loop.
   * @param tunnel The tunnel that it came to.
   * @param row Where that tunnel is counted.
   * @param place The port that it came to.
   * @param visitor Who has come, as `visitorHash` makes it.
   * @param since Ms of the loop's clock.
   * @param owner Serves it.
   * @param onWaiting Hears that it waits (1), at once, and that it does not wait any more (-1).
   */
  constructor(
    socket: StreamSocket,
    tunnel: number,
    row: TunnelRow,
    place: PortPlace,
    visitor: number,
    since: number,
    owner: PublicConnOwner,
    onWaiting: (change: 1 | -1) => void,
  ) {
    this.socket = socket;
    this.tunnel = tunnel;
    this.row = row;
    this.place = place;
    this.visitor = visitor;
    this.since = since;
    this.#owner = owner;
    this.#onWaiting = onWaiting;
    socket.task = this;
    onWaiting(1);
  }

  /** It has a ProxyConn, or is closed. */
  get settled(): boolean {
    return this.#settled;
  }

  set settled(settled: boolean) {
    if (settled === this.#settled) return;
    this.#settled = settled;
    this.#onWaiting(settled ? -1 : 1);
  }

  /**
   * A reset while waiting ends it; payload, also in front of a reset, and FIN stay in the socket for the session to
   * come.
   */
  run(): void {
    if (this.settled) return;
    if (this.socket.failed && peek(this.socket.fd, oneByte) <= 0) return this.giveUp();
    if (this.#ready) return;
    this.#ready = true;
    this.#owner.serve(this);
  }

  /** Resets it: an end in order would be an empty answer, or would confirm an upload that was never read. */
  giveUp(): void {
    this.settled = true;
    this.socket.reset();
    this.#owner.onUnservedClosed(this);
  }
}
