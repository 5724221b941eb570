// A connection that has shown a wrong ticket, and is closed only after a while, as a wrong proof is answered late.
// Until then it is a stranger's: nothing is read from it.
import { close, type Descriptor } from "../../../ffi/descriptor.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import type { Stranger } from "../policy/stranger_limit.ts";

/** See the file's head. One thread. */
export class LateRefusal implements Stranger, TimerTarget {
  readonly #loop: EventLoop;
  readonly #fd: Descriptor;
  readonly #timer = new Timer(this);
  readonly #onGone: (refusal: LateRefusal) => void;

  /**
   * Takes a connection over.
   *
   * @param loop The Worker's loop.
   * @param fd A connection that is not watched.
   * @param delayMs Ms until it is closed.
   * @param onGone Hears that it is closed.
   */
  constructor(loop: EventLoop, fd: Descriptor, delayMs: number, onGone: (refusal: LateRefusal) => void) {
    this.#loop = loop;
    this.#fd = fd;
    this.#onGone = onGone;
    loop.setTimer(this.#timer, delayMs);
  }

  /** It has waited long enough. */
  onTimer(): void {
    this.evict();
  }

  /** Closes it; called once. */
  evict(): void {
    this.#loop.timers.clear(this.#timer);
    close(this.#fd);
    this.#onGone(this);
  }
}
