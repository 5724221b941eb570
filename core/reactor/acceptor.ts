// Accepts the connections of one listening socket, also in a process that is out of descriptors.
import { close, type Descriptor, lowestFree } from "../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { accept } from "../../ffi/socket.ts";
import type { Channel, EventLoop, Task } from "./event_loop.ts";
import { Timer, type TimerTarget } from "./timer_queue.ts";

/** Connections accepted in one turn, so that a flood leaves time for the rest. */
const BATCH = 64;
/** The same where parties have turns: little, for another one to come soon. */
const BATCH_IN_LANE = 8;
/** Ms for which accepting pauses when it failed, or would leave too few descriptors. */
const PAUSE_MS = 100;

/** The same for each of so many listeners of one party that wait: thousands of them look no more than ten times in a ms. */
const WAITING_IN_A_MS = 10;

/** How many listeners of one party pause, because there is no room for another connection of it. */
export interface PausedListeners {
  /** Kept by the acceptors. */
  count: number;
}

/** What happens at a listener. */
export interface AcceptorEvents {
  /**
   * A connection has come; `lastAddress()` is its peer's address. The descriptor belongs to the callee.
   *
   * @param fd Non-blocking, close-on-exec, not watched yet.
   */
  onAccept(fd: Descriptor): void;
  /**
   * Accepting failed and pauses for a moment. New connections wait in the kernel's queue.
   *
   * @param reason The errno's name, or what {@linkcode whyNotAccept} said.
   */
  onAcceptPaused(reason: string): void;
  /**
   * Why another connection may not be accepted now, or null. Default: any number may, until there are no descriptors.
   *
   * @param used How many descriptors of the process are in use, at least; null before another look: as many as at the
   *   last one.
   */
  whyNotAccept?(used: number | null): string | null;
}

/** Watches one listener, level-triggered. One thread. */
export class Acceptor implements Channel, Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  /** Kept for the loop: whose turn it is, 0 when it has no need to wait for one. */
  readonly lane: number;
  /** The listening socket. */
  readonly fd: Descriptor;
  readonly #loop: EventLoop;
  readonly #events: AcceptorEvents;
  readonly #pause = new Timer(this);
  readonly #paused: PausedListeners;
  #isPaused = false;
  #open = true;

  /**
   * Starts to accept.
   *
   * @param loop The Worker's loop.
   * @param fd The listening socket, the acceptor's from now on.
   * @param events Hears of it.
   * @param lane Whose it is, 1 up, where several parties have listeners; see {@linkcode Task}. Default: it takes no turns.
   * @param paused The listeners of the same party that pause. Default: it has no others.
   */
  constructor(
    loop: EventLoop,
    fd: Descriptor,
    events: AcceptorEvents,
    lane = 0,
    paused: PausedListeners = { count: 0 },
  ) {
    this.#loop = loop;
    this.#paused = paused;
    this.lane = lane;
    this.fd = fd;
    this.#events = events;
    loop.addListener(this);
  }

  /** Accepts, or waits for its turn to do so. */
  onEvents(): void {
    if (this.lane === 0) this.accept();
    else this.#loop.enqueue(this);
  }

  /** It is its turn; the level-triggered event comes again for the rest. */
  run(): void {
    this.accept(BATCH_IN_LANE);
  }

  /** Accepts waiting connections, so many at most. */
  accept(most: number = BATCH): void {
    if (this.#pause.isSet) return;
    // what there was room for at the last look others may have taken, at thousands of doors
    const why = this.#events.whyNotAccept?.(null) ?? null;
    if (why !== null && this.#isFull()) return;
    for (let i = 0; i < most && this.#open && !this.#pause.isSet; i++) {
      const fd = accept(this.fd);
      if (fd >= 0) {
        this.#events.onAccept(fd as Descriptor);
        // the kernel gives the lowest free number (open(2))
        const reason = this.#events.whyNotAccept?.(fd + 1) ?? null;
        if (reason !== null) return this.#pauseFor(reason);
      } else if (fd === -Errno.EAGAIN) return;
      // a connection that ended in the queue, or a signal (accept(2))
      else if (fd !== -Errno.ECONNABORTED && fd !== -Errno.EINTR) return this.#pauseFor(errnoWords(-fd));
    }
  }

  #pauseFor(reason: string): void {
    this.#loop.enableListener(this, false);
    this.#countPaused(true);
    this.#loop.setTimer(this.#pause, Math.max(PAUSE_MS, this.#paused.count / WAITING_IN_A_MS));
    this.#events.onAcceptPaused(reason);
  }

  /** Whether there is room for nobody, so that it pauses. */
  #isFull(): boolean {
    const reason = this.#events.whyNotAccept?.(lowestFree(this.fd)) ?? null;
    if (reason !== null) this.#pauseFor(reason);
    return reason !== null;
  }

  /** Resumes after a pause. */
  onTimer(): void {
    if (this.#isFull()) return;
    this.#countPaused(false);
    this.#loop.enableListener(this, true);
  }

  #countPaused(isPaused: boolean): void {
    if (isPaused !== this.#isPaused) this.#paused.count += isPaused ? 1 : -1;
    this.#isPaused = isPaused;
  }

  /** Closes the listener at once, so that its port can be opened again in this turn. */
  close(): void {
    this.#open = false;
    this.#countPaused(false);
    this.#loop.timers.clear(this.#pause);
    this.#loop.remove(this);
    close(this.fd);
  }
}
