// Deadlines of one event loop: a binary heap whose earliest entry is the loop's time-out.

/** Is told when a timer is due. */
export interface TimerTarget {
  /** Called once, in the loop's thread, after the timer has left the queue. */
  onTimer(timer: Timer): void;
}

/** One deadline, made once by its owner and set as often as needed. */
export class Timer {
  /** When it is due, in ms of the loop's clock. Meaningful while it is set. */
  deadline: number = 0;
  /** Its place in the heap, -1 while it is not set. Kept by the queue. */
  place: number = -1;
  /** Is told when it is due. */
  readonly target: TimerTarget;

  /** Makes a timer that is not set. */
  constructor(target: TimerTarget) {
    this.target = target;
  }

  /** Whether it is waiting for its deadline. */
  get isSet(): boolean {
    return this.place >= 0;
  }
}

/** The timers of one loop. Setting and clearing cost O(log n). One thread. */
export class TimerQueue {
  readonly #heap: Timer[] = [];

  /** How many timers are set. */
  get size(): number {
    return this.#heap.length;
  }

  /** The earliest deadline in ms, or Infinity. */
  get next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].deadline;
  }

  /**
   * Sets a timer, or moves one that is set.
   *
   * @param timer The timer.
   * @param deadline When it is due, in ms of the loop's clock.
   */
  set(timer: Timer, deadline: number): void {
    timer.deadline = deadline;
    if (timer.place < 0) {
      timer.place = this.#heap.length;
      this.#heap.push(timer);
    }
    this.#up(timer.place);
    this.#down(timer.place);
  }

  /** Takes a timer out of the queue; nothing happens when it is not set. */
  clear(timer: Timer): void {
    const { place } = timer;
    if (place < 0) return;
    timer.place = -1;
    const last = this.#heap.pop()!;
    if (last === timer) return;
    this.#heap[place] = last;
    last.place = place;
    this.#up(place);
    this.#down(last.place);
  }

  /**
   * Tells the targets of all timers that are due. A target may set or clear any timer.
   *
   * @param now Ms of the loop's clock.
   */
  run(now: number): void {
    while (this.#heap.length > 0 && this.#heap[0].deadline <= now) {
      const timer = this.#heap[0];
      this.clear(timer);
      timer.target.onTimer(timer);
    }
  }

  /**
   * Puts all deadlines off, as after a time in which nothing could be heard.
   *
   * @param ms How long, 0 up.
   */
  postpone(ms: number): void {
    // the order among them stays
    for (const timer of this.#heap) timer.deadline += ms;
  }

  #up(place: number): void {
    const timer = this.#heap[place];
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (this.#heap[parent].deadline <= timer.deadline) break;
      this.#put(this.#heap[parent], place);
      place = parent;
    }
    this.#put(timer, place);
  }

  #down(place: number): void {
    const timer = this.#heap[place];
    for (;;) {
      let child = 2 * place + 1;
      if (child >= this.#heap.length) break;
      if (child + 1 < this.#heap.length && this.#heap[child + 1].deadline < this.#heap[child].deadline) child++;
      if (this.#heap[child].deadline >= timer.deadline) break;
      this.#put(this.#heap[child], place);
      place = child;
    }
    this.#put(timer, place);
  }

  #put(timer: Timer, place: number): void {
    this.#heap[place] = timer;
    timer.place = place;
  }
}
