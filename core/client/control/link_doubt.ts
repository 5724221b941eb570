// Whether the way to the server still is what it was, after something around the client has changed. The peer's kernel
// is asked by a heartbeat; when it does not acknowledge, a second connection is tried beside the ctl_conn. If that one
// stands and the heartbeat is still not acknowledged, it takes the ctl_conn's place. Nothing is given up on suspicion.
import { isOwnAddress } from "../../../ffi/change_events.ts";
import { localAddress } from "../../../ffi/socket.ts";
import type { SocketAddress } from "../../../ffi/socket_address.ts";
import type { CtlConn } from "../../protocol/ctl_conn.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { AddressRace, type AddressRaceEvents } from "../address_race.ts";

/** Ms for the heartbeat to be acknowledged before a second connection is tried, and between two tries. */
const ASK_MS = 1000;
/** Ms for the second connection to be answered. */
const CONNECT_MS = 3000;
/** Ms for the ctl_conn to catch up once the second connection stands: its kernel repeats itself every 2 s. */
const GRACE_MS = 2500;

/** See the file's head. One thread. */
export class LinkDoubt implements TimerTarget, AddressRaceEvents {
  readonly #loop: EventLoop;
  readonly #onReplacement: (socket: StreamSocket, address: SocketAddress) => void;
  readonly #race: AddressRace;
  readonly #timer = new Timer(this);
  #conn: CtlConn | null = null;
  #addresses: readonly SocketAddress[] = [];
  #askedAt = 0;
  /** The second connection that stands. */
  #second: { readonly socket: StreamSocket; readonly address: SocketAddress } | null = null;

  /**
   * Makes one without a doubt.
   *
   * @param loop The Worker's loop.
   * @param onReplacement Gets the connection that takes the ctl_conn's place.
   */
  constructor(loop: EventLoop, onReplacement: (socket: StreamSocket, address: SocketAddress) => void) {
    this.#loop = loop;
    this.#onReplacement = onReplacement;
    this.#race = new AddressRace(loop, this, { patienceMs: CONNECT_MS });
  }

  /**
   * Begins to doubt; a doubt that was there begins anew.
   *
   * @param conn The ctl_conn, logged in.
   * @param addresses The server's, in the order to try.
   */
  begin(conn: CtlConn, addresses: readonly SocketAddress[]): void {
    this.end();
    this.#conn = conn;
    this.#addresses = addresses;
    this.#askedAt = this.#loop.now;
    conn.send({ type: "Heartbeat" });
    this.#loop.setTimer(this.#timer, ASK_MS);
  }

  /** The ctl_conn is there for certain, or gone. */
  end(): void {
    this.#conn = null;
    this.#loop.timers.clear(this.#timer);
    this.#race.cancel();
    this.#second?.socket.close();
    this.#second = null;
  }

  get #isDispelled(): boolean {
    const conn = this.#conn!;
    return conn.lastHeard > this.#askedAt || !conn.hasUnacknowledged;
  }

  /** Time for the next step. */
  onTimer(): void {
    if (this.#isDispelled) return this.end();
    if (this.#second === null) this.#race.start(this.#addresses);
    else this.#replace();
  }

  /**
   * The second connection stands: from an address that is gone nothing can be sent any more, otherwise there is a
   * grace.
   */
  onRaceWon(socket: StreamSocket, address: SocketAddress): void {
    this.#second = { socket, address };
    const local = localAddress(this.#conn!.fd);
    if (local !== null && !isOwnAddress(local)) this.#replace();
    else this.#loop.setTimer(this.#timer, GRACE_MS);
  }

  #replace(): void {
    const { socket, address } = this.#second!;
    this.#second = null;
    this.end();
    this.#onReplacement(socket, address);
  }

  /** There is no answer now. The heartbeat's own time limit goes on. */
  onRaceLost(): void {
    this.#loop.setTimer(this.#timer, ASK_MS);
  }
}
