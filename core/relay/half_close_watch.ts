// Ends sessions that hang half-closed: one direction has ended, and nothing moves in the other. It knows no payload and
// costs nothing per event: it looks at all sessions of a relay Worker now and then.
import { Errno } from "../../ffi/errno.ts";
import type { EventLoop } from "../reactor/event_loop.ts";
import { LogLimit } from "../reactor/log_limit.ts";
import type { ReactorContext } from "../reactor/reactor_worker.ts";
import { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { ProxyConn } from "./proxy_conn.ts";

/** Looks in the time that a session may stand still: it is ended at most two looks too late. */
const LOOKS = 8;
/** Ms between two looks, whatever the time-out. */
const LEAST_LOOK_MS = 20;
const MOST_LOOK_MS = 60_000;
/** Lines a minute about sessions that were ended. */
const LINES = 1;

/** What a half-closed session was like when it was first seen so. */
interface Stillness {
  /** A ProxyConn has one session after the other. */
  readonly session: number;
  /** See `ProxyConn.halfClosedProgress`. */
  readonly progress: number;
  /** Ms of the loop's clock. */
  readonly since: number;
}

/** See the file's head. One thread. */
export class HalfCloseWatch implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #timeoutMs: number;
  readonly #lookMs: number;
  readonly #timer = new Timer(this);
  readonly #log: LogLimit;
  /** Only sessions that were half-closed at the last look: others cost nothing here. */
  #still = new Map<ProxyConn, Stillness>();

  /**
   * Starts to watch every ProxyConn of a loop.
   *
   * @param context The Worker.
   * @param timeoutMs Ms for which a half-closed session may stand still; 0 for ever.
   */
  constructor(context: Pick<ReactorContext, "loop" | "log">, timeoutMs: number) {
    const { loop } = context;
    this.#loop = loop;
    this.#log = new LogLimit(context, { lines: LINES });
    this.#timeoutMs = timeoutMs;
    this.#lookMs = Math.min(Math.max(timeoutMs / LOOKS, LEAST_LOOK_MS), MOST_LOOK_MS);
    if (timeoutMs > 0) loop.setTimer(this.#timer, this.#lookMs);
  }

  /** Looks. */
  onTimer(): void {
    const still = new Map<ProxyConn, Stillness>();
    // by their sockets: a ProxyConn that has lost its ctl_conn is in no table any more
    for (const channel of this.#loop.channels()) {
      if (!(channel instanceof StreamSocket)) continue;
      const conn = channel.task;
      // a session has two sockets
      if (conn instanceof ProxyConn && conn.socket === channel) this.#look(conn, still);
    }
    this.#still = still;
    this.#loop.setTimer(this.#timer, this.#lookMs);
  }

  #look(conn: ProxyConn, still: Map<ProxyConn, Stillness>): void {
    const progress = conn.halfClosedProgress();
    if (progress === null) return;
    const { now } = this.#loop;
    const { session } = conn;
    const before = this.#still.get(conn);
    if (before === undefined || before.session !== session || before.progress !== progress) {
      still.set(conn, { session, progress, since: now });
    } else if (now - before.since >= this.#timeoutMs) this.#expire(conn);
    else still.set(conn, before);
  }

  #expire(conn: ProxyConn): void {
    conn.fail({ side: "endpoint", code: Errno.ETIMEDOUT });
    const limit = `${this.#timeoutMs / 1000}s`;
    this.#log.log("info", "A half-closed connection stood still and is reset", { half_close_timeout: limit });
  }
}
