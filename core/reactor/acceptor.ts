// Accepts the connections of one listening socket, also in a process that is out of descriptors.
import { close, type Descriptor, lowestFree } from "../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../ffi/errno.ts";
import { accept } from "../../ffi/socket.ts";
import type { Channel, EventLoop } from "./event_loop.ts";
import { Timer, type TimerTarget } from "./timer_queue.ts";

/** Connections accepted in one turn, so that a flood of them leaves time for the rest. */
const BATCH = 64;
/** Ms for which accepting pauses when it failed, or would leave too few descriptors. */
const PAUSE_MS = 100;

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
   * @param used How many descriptors of the process are in use, at least.
   */
  whyNotAccept?(used: number): string | null;
}

/** Watches one listener, level-triggered. One thread. */
export class Acceptor implements Channel, TimerTarget {
  /** The listening socket. */
  readonly fd: Descriptor;
  readonly #loop: EventLoop;
  readonly #events: AcceptorEvents;
  readonly #pause = new Timer(this);

  /** Starts to accept. The descriptor is the acceptor's from now on. */
  constructor(loop: EventLoop, fd: Descriptor, events: AcceptorEvents) {
    this.#loop = loop;
    this.fd = fd;
    this.#events = events;
    loop.addListener(this);
  }

  /** Accepts a batch; the level-triggered event comes again for the rest. */
  onEvents(): void {
    for (let i = 0; i < BATCH; i++) {
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
    this.#loop.setTimer(this.#pause, PAUSE_MS);
    this.#events.onAcceptPaused(reason);
  }

  /** Resumes after a pause. */
  onTimer(): void {
    const reason = this.#events.whyNotAccept?.(lowestFree(this.fd)) ?? null;
    if (reason !== null) return this.#pauseFor(reason);
    this.#loop.enableListener(this, true);
  }

  /** Closes the listener at once, so that its port can be opened again in this turn. */
  close(): void {
    this.#loop.timers.clear(this.#pause);
    this.#loop.remove(this);
    close(this.fd);
  }
}
