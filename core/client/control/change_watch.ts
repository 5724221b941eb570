// Watches for what may have cut a connection without a word to it: the network of this host changes, the host wakes up
// after a suspension, or the program after a pause. It knows no connection.
import { openClockEvents, openNetworkEvents, takeNetworkEvents } from "../../../ffi/change_events.ts";
import { close, type Descriptor } from "../../../ffi/descriptor.ts";
import { Epoll } from "../../../ffi/epoll.ts";
import type { Channel, EventLoop } from "../../reactor/event_loop.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";

/** Ms from the first change to the report: an interface that comes up is many changes. */
const SETTLE_MS = 300;
/** Ms between two reports at least. */
const GAP_MS = 1000;
/** Ms between two looks at the clock; the loop sleeps no longer anyway. */
const LOOK_MS = 5000;
/** Ms that a look may be late before that counts as a pause. */
const LATE_MS = 2000;

/** What has changed, for people. */
export type Change = "the network has changed" | "the clock has jumped" | "this program was stopped for a time";

/** See the file's head. One thread. */
export class ChangeWatch implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #onChange: (what: Change) => void;
  readonly #channels: Channel[] = [];
  readonly #report = new Timer(this);
  readonly #look = new Timer(this);
  #change: Change | null = null;
  #reportedAt = -Infinity;

  /**
   * Begins to watch; what the host does not let it watch it does without.
   *
   * @param loop The Worker's loop.
   * @param onChange Hears of changes, once a second at most.
   */
  constructor(loop: EventLoop, onChange: (what: Change) => void) {
    this.#loop = loop;
    this.#onChange = onChange;
    this.#watch(openNetworkEvents(), (fd) => {
      takeNetworkEvents(fd);
      this.#note("the network has changed");
    });
    this.#watch(openClockEvents(), () => this.#note("the clock has jumped"));
    loop.setTimer(this.#look, LOOK_MS);
  }

  #watch(opened: Descriptor | number, onEvents: (fd: Descriptor) => void): void {
    if (opened < 0) return;
    const fd = opened as Descriptor;
    // that a socket can be written to is an event as well
    const channel = { fd, onEvents: (events: number) => events & (Epoll.IN | Epoll.ERR) ? onEvents(fd) : undefined };
    if (this.#loop.tryAddConnection(channel)) this.#channels.push(channel);
    else close(fd);
  }

  #note(change: Change): void {
    this.#change ??= change;
    if (this.#report.isSet) return;
    this.#loop.setTimer(this.#report, Math.max(SETTLE_MS, this.#reportedAt + GAP_MS - this.#loop.now));
  }

  /** Time to report, or to look at the clock. */
  onTimer(timer: Timer): void {
    const { now } = this.#loop;
    if (timer === this.#look) {
      if (now - timer.deadline > LATE_MS) this.#note("this program was stopped for a time");
      return this.#loop.setTimer(timer, LOOK_MS);
    }
    const change = this.#change!;
    this.#change = null;
    this.#reportedAt = now;
    this.#onChange(change);
  }

  /** Watches no more. */
  dispose(): void {
    for (const timer of [this.#report, this.#look]) this.#loop.timers.clear(timer);
    for (const channel of this.#channels) {
      this.#loop.remove(channel);
      close(channel.fd);
    }
    this.#channels.length = 0;
  }
}
