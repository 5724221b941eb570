// What has failed and must not be over at once: sockets whose reset waits for the bytes in front of it, and sessions that
// are settled after a reset. Both are looked at now and then, and bounded in time; while there are none, nothing is done.
import { unsentBytes } from "../../ffi/socket.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

/** Ms between two looks: no event tells that a peer's kernel has acknowledged what was sent. */
const LOOK_MS = 20;
/** Ms for which nothing may move. */
const STILL_MS = 5000;
/** Ms for all of it, however slowly it moves. */
const MOST_MS = 60_000;

/** Something that is not over yet. */
export interface Lingerer {
  /** A number that changes whenever something moves; null when it is over, and forgotten. */
  progress(): number | null;
  /** The time is up: it ends itself now. */
  giveUp(): void;
}

interface Stillness {
  progress: number;
  /** Ms of the loop's clock. */
  since: number;
  readonly start: number;
}

/** See the file's head. One for each Worker. One thread. */
export class Lingering implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #timer = new Timer(this);
  readonly #present = new Map<Lingerer, Stillness>();

  /** Makes an empty one. */
  constructor(loop: EventLoop) {
    this.#loop = loop;
  }

  /** How many there are. */
  get size(): number {
    return this.#present.size;
  }

  /** Looks after something. */
  add(lingerer: Lingerer): void {
    const { now } = this.#loop;
    this.#present.set(lingerer, { progress: NaN, since: now, start: now });
    if (!this.#timer.isSet) this.#loop.setTimer(this.#timer, LOOK_MS);
  }

  /** It is over without having been looked at again. */
  remove(lingerer: Lingerer): void {
    this.#present.delete(lingerer);
  }

  /**
   * Resets a connection as soon as its peer's kernel has what was written: a reset drops what was not sent.
   *
   * @param socket The connection; its events are nobody else's from now on.
   * @param onClosed Called when it is closed, which may be at once.
   */
  reset(socket: StreamSocket, onClosed: () => void): void {
    const conn = new LingeringSocket(socket, onClosed, this);
    if (conn.progress() !== null) this.add(conn);
  }

  /** Looks. */
  onTimer(): void {
    const { now } = this.#loop;
    for (const [lingerer, still] of this.#present) {
      const progress = lingerer.progress();
      if (progress === null) this.#present.delete(lingerer);
      else if (progress !== still.progress && now - still.start < MOST_MS) {
        still.progress = progress;
        still.since = now;
      } else if (now - still.since >= STILL_MS || now - still.start >= MOST_MS) {
        this.#present.delete(lingerer);
        lingerer.giveUp();
      }
    }
    if (this.#present.size > 0) this.#loop.setTimer(this.#timer, LOOK_MS);
  }
}

/** A connection that is reset when its peer has everything. */
class LingeringSocket implements Lingerer, Task {
  /** Kept by the loop. */
  queued = false;
  readonly #socket: StreamSocket;
  readonly #onClosed: () => void;
  readonly #lingering: Lingering;

  constructor(socket: StreamSocket, onClosed: () => void, lingering: Lingering) {
    this.#socket = socket;
    this.#onClosed = onClosed;
    this.#lingering = lingering;
    socket.task = this;
  }

  progress(): number | null {
    const unsent = this.#socket.failed ? 0 : unsentBytes(this.#socket.fd);
    if (unsent > 0) return unsent;
    this.giveUp();
    return null;
  }

  giveUp(): void {
    this.#socket.reset();
    this.#onClosed();
  }

  /** An event: the peer has reset it itself, or reads. */
  run(): void {
    if (this.progress() === null) this.#lingering.remove(this);
  }
}
