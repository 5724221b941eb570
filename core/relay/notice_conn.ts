// A notice connection: notices about sessions go from relay Worker to relay Worker, beside the ctl_conn, which they would
// cross with two more threads on either side. It carries no payload.
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { send, setLongestRepeat } from "../../ffi/socket.ts";
import { receiveInto, sendPending } from "../protocol/frame_io.ts";
import type { ProxyId, SessionNo } from "../protocol/ids.ts";
import type { Notice } from "../protocol/messages.ts";
import { NoticeReader, NoticeWriter } from "../protocol/notices.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { Count } from "./counters.ts";
import type { Notices } from "./proxy_conn.ts";
import type { RelaySurroundings } from "./surroundings.ts";

/** Receives in one turn, so that one peer's flood leaves time for the others. */
const ROUNDS = 16;
/**
 * Ms for which a notice that is not urgent may wait for company. Under load it leaves with the next one that is urgent,
 * which saves a wake-up on either side for every session.
 */
const PATIENCE_MS = 1;
/** Ms at most between repeats of unacknowledged notices. */
const REPEAT_MS = 2000;
/** Bytes that may wait for a peer that does not read, before it is given up. */
const MOST_UNSENT = 1 << 20;

/** Hears of a notice connection. */
export interface NoticeConnEvents {
  /** A notice has come. A ProtocolError closes the connection. */
  onNotice(notice: Notice): void;
  /** It is gone, and notices may be lost with it: sessions that relied on it must end by FIN. */
  onNoticesClosed(conn: NoticeConn, reason: string): void;
}

/** See the file's head. One thread. */
export class NoticeConn implements Task, TimerTarget, Notices {
  /** Kept by the loop. */
  queued: boolean = false;
  /** Its number, of the same kind as a ProxyConn's: it tells which Workers it joins. */
  readonly id: ProxyId;
  /** When something came last, in ms of the loop's clock. */
  lastHeard: number;
  /** The peer's kernel may have yet to take something. `PeerSweep` finds that it has everything. */
  mayAwaitPeer: boolean = false;
  /** Since when it is there, by the same clock. */
  readonly since: number;
  /** Whether a notice has come: the peer is what it should be. */
  hasHeard: boolean = false;
  readonly #loop: EventLoop;
  readonly #counters: Float64Array;
  readonly #socket: StreamSocket;
  readonly #events: NoticeConnEvents;
  readonly #reader = new NoticeReader();
  readonly #writer = new NoticeWriter();
  readonly #flush: Task;
  readonly #patience = new Timer(this);
  #open = true;

  /**
   * Takes a socket over.
   *
   * @param around The Worker.
   * @param id Its number.
   * @param socket Its socket.
   * @param events Hears of it.
   */
  constructor(
    around: RelaySurroundings,
    id: ProxyId,
    socket: StreamSocket,
    events: NoticeConnEvents,
  ) {
    this.#loop = around.loop;
    this.lastHeard = this.since = around.loop.now;
    this.#counters = around.counters;
    this.id = id;
    this.#socket = socket;
    this.#events = events;
    this.#flush = { queued: false, run: () => this.#flushNow() };
    socket.task = this;
    setLongestRepeat(socket.fd, REPEAT_MS);
    this.#counters[Count.noticeConnsOpened]++;
    this.#loop.enqueue(this);
  }

  /** Tells the end of a direction. */
  shutdownPeer(proxy: ProxyId, session: SessionNo, total: number, urgent: boolean): void {
    this.#writer.appendShutdownPeer(proxy, session, total);
    if (urgent) this.#flushSoon();
    else this.#flushLater();
  }

  /** Tells that a session is finished on the client. */
  free(proxy: ProxyId, session: SessionNo): void {
    this.#writer.appendFreeProxyConn(proxy, session);
    this.#flushLater();
  }

  /** Tells a reset. */
  reset(proxy: ProxyId, session: SessionNo, total: number): void {
    this.#writer.appendResetSession(proxy, session, total);
    this.#flushSoon();
  }

  #flushSoon(): void {
    if (this.#open) this.#loop.enqueueLast(this.#flush);
  }

  #flushLater(): void {
    if (this.#open && !this.#patience.isSet) this.#loop.setTimer(this.#patience, PATIENCE_MS);
  }

  /** Nothing urgent came along. */
  onTimer(): void {
    this.#flushNow();
  }

  #flushNow(): void {
    this.#loop.timers.clear(this.#patience);
    if (!this.#open) return;
    const writer = this.#writer;
    if (writer.length > 0) this.mayAwaitPeer = true;
    const failure = sendPending(this.#socket, writer);
    if (failure !== null) return this.#lose(failure);
    if (writer.length > MOST_UNSENT) this.#lose("the peer does not read");
  }

  /** Reads and writes what is ready. */
  run(): void {
    try {
      for (let round = 0; this.#open && this.#socket.readable; round++) {
        if (round === ROUNDS) return this.#loop.enqueue(this);
        this.#receiveNotices();
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#lose(error.message);
    }
    if (this.#writer.length > 0) this.#flushNow();
  }

  #receiveNotices(): void {
    const count = this.#receive(this.#reader.room());
    if (count === 0) return;
    this.#reader.filled(count);
    for (let notice = this.#reader.next(); notice !== null && this.#open; notice = this.#reader.next()) {
      this.hasHeard = true;
      this.#events.onNotice(notice);
    }
  }

  /** How many bytes came; 0 when none did, for whatever reason. */
  #receive(room: Uint8Array): number {
    const count = receiveInto(this.#socket, room);
    if (typeof count === "string") {
      this.#lose(count);
      return 0;
    }
    if (count > 0) this.lastHeard = this.#loop.now;
    return count;
  }

  /** Its peer has not answered for too long. */
  onPeerGone(): void {
    this.#lose(errnoWords(Errno.ETIMEDOUT));
  }

  #lose(reason: string): void {
    if (!this.#open) return;
    this.close();
    this.#events.onNoticesClosed(this, reason);
  }

  /** Sends what waits and closes it, without an event. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    this.#loop.timers.clear(this.#patience);
    if (this.#writer.length > 0 && this.#socket.writable) send(this.#socket.fd, this.#writer.bytes());
    this.#socket.close();
    this.#counters[Count.noticeConnsClosed]++;
  }
}
