// One event loop: it waits for events, tells the channels, and runs the tasks that they queued. It knows no protocol.
import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, Poller } from "../../ffi/epoll.ts";
import { Errno, errnoName, SystemError } from "../../ffi/errno.ts";
import { ChannelTable } from "./channel_table.ts";
import { TaskLanes } from "./task_lanes.ts";
import { type Timer, TimerQueue } from "./timer_queue.ts";

/** Something with a descriptor that wants to hear of its events. */
export interface Channel {
  /** The descriptor it was added with. */
  readonly fd: Descriptor;
  /** Called in the loop's thread with bits of {@linkcode Epoll}. It notes the bits and queues a {@linkcode Task}. */
  onEvents(events: number): void;
}

/** Work of a turn. Queued more than once, it still runs once. */
export interface Task {
  /** True from being queued to being run. Kept by the loop. */
  queued: boolean;
  /**
   * Whose it is, 1 up, where several parties share a loop: they have turns. Left out or 0, it runs before the tasks of all
   * parties.
   */
  readonly lane?: number;
  /** Runs until there is nothing to do or its share of the turn is used up; then it may queue itself again. */
  run(): void;
}

/** Where records from other Workers come from. */
export interface MailSource {
  /** Says that the loop is about to sleep. Returns false when there is mail, so that it must not. */
  mayAwaitMail(): boolean;
  /** Says that the loop is awake. */
  awake(): void;
  /** Handles what has come. */
  deliver(): void;
  /** So much waits for other Workers that no peer should be allowed to cause more. */
  readonly isBehind: boolean;
}

/**
 * Ms for which a turn, or a sleep beyond its time, may take the loop away from its sockets. What is longer is a stall (the
 * process was stopped, or had no processor), and no silence of others: all timers are put off by it.
 */
const STALL_MS = 250;
// tests move performance.now on
const realNow = performance.now.bind(performance);
/** Turns in a row in which timers wait because there may be more events, each of which may be what a timer waits for. */
const MOST_FULL_TURNS = 16;
/** Longest sleep in ms, so that the supervisor sees the loop turn. */
const LONGEST_SLEEP_MS = 5000;
/** Ms of a turn for the tasks of parties that share the loop; the other tasks wait until new events were seen. */
const LANES_MS = 2;
const EDGES = Epoll.IN | Epoll.PRI | Epoll.OUT | Epoll.RDHUP | Epoll.ET;

/**
 * The loop of one Worker; every method belongs to that Worker's thread.
 *
 * A turn: wait, tell channels of events, deliver mail, run the tasks queued so far, run due timers, run the last tasks
 * (flushes), close descriptors. A task queued during a turn's tasks or timers runs in the next turn, after new events
 * were seen, so that a busy one starves nobody; where several parties share the loop, their tasks run in turn, for some
 * ms. Timers judge who was silent: they run when what has arrived has been read.
 */
export class EventLoop {
  /** The timers of this loop. */
  readonly timers: TimerQueue = new TimerQueue();
  readonly #poller: Poller;
  readonly #channels = new ChannelTable<Channel>();
  #tasks: Task[] = [];
  #running: Task[] = [];
  readonly #lanes = new TaskLanes();
  #lastTasks: Task[] = [];
  /** Tasks that wait until other Workers have caught up. */
  #held: Task[] = [];
  #closing: Descriptor[] = [];
  #mail: MailSource | null = null;
  #stopped = false;
  readonly #clock: () => number;
  readonly #steady: () => number;
  #turnBegan: number;
  #fullTurns = 0;
  /**
   * Hears that a connection could not be watched, and why: the kernel's memory for that, or the user's part of it, is
   * full.
   */
  onWatchRefused: ((reason: string) => void) | null = null;
  /** Ms of a monotonic clock, read once per turn. */
  now: number;

  /**
   * Makes a loop with nothing in it.
   *
   * @param clock Gives ms of a monotonic clock. Default: `performance.now`.
   * @param steady Gives ms of a clock that shows for how long the loop stood still, and that nobody moves on. Default:
   *   `performance.now`.
   */
  constructor(clock: () => number = () => performance.now(), steady: () => number = realNow) {
    this.#steady = steady;
    this.#turnBegan = steady();
    this.#poller = new Poller();
    this.#clock = clock;
    this.now = clock();
  }

  /** Says where mail comes from. Called once, before {@linkcode run}. */
  setMail(mail: MailSource): void {
    this.#mail = mail;
  }

  /**
   * Registers a connection for all its edges, for good: it is never modified.
   *
   * @param channel Hears of the events, at least once for what is ready already.
   * @throws {SystemError} When the kernel refuses.
   */
  addConnection(channel: Channel): void {
    this.#add(channel, EDGES);
  }

  /**
   * The same for one of many connections, without which the program can do.
   *
   * @param channel Hears of the events.
   * @returns Whether there was room to watch it (see ENOSPC and ENOMEM in epoll_ctl(2)).
   * @throws {SystemError} When the kernel refuses for another reason.
   */
  tryAddConnection(channel: Channel): boolean {
    try {
      this.#add(channel, EDGES);
      return true;
    } catch (error) {
      if (!isWatchShortage(error)) throw error;
      this.onWatchRefused?.(errnoName(error.code));
      return false;
    }
  }

  /**
   * Registers a listener, level-triggered: connections that could not be accepted for want of descriptors show again.
   *
   * @param channel Hears of the events.
   * @throws {SystemError} When the kernel refuses.
   */
  addListener(channel: Channel): void {
    this.#add(channel, Epoll.IN);
  }

  /** Stops (`false`) or resumes (`true`) the events of a listener, so that a full process does not spin. */
  enableListener(channel: Channel, enabled: boolean): void {
    this.#poller.modify(channel.fd, enabled ? Epoll.IN : 0, this.#channels.generation(channel.fd));
  }

  #add(channel: Channel, events: number): void {
    const { fd } = channel;
    const result = this.#poller.add(fd, events, this.#channels.generation(fd));
    if (result < 0) throw new SystemError("epoll_ctl", -result, `watching descriptor ${fd}`);
    this.#channels.set(fd, channel);
  }

  /** All channels at the moment; a walk over every descriptor number, for rare looks. One may be closed meanwhile. */
  channels(): Iterable<Channel> {
    return this.#channels;
  }

  /** Ends the events of a channel and leaves its descriptor open, as before handing it to another Worker. */
  remove(channel: Channel): void {
    if (this.#channels.at(channel.fd) !== channel) return;
    this.#channels.clear(channel.fd);
    this.#poller.remove(channel.fd);
  }

  /** Ends the events of a channel and closes its descriptor at the end of this turn. */
  close(channel: Channel): void {
    if (this.#channels.at(channel.fd) === channel) this.#channels.clear(channel.fd);
    this.#closing.push(channel.fd);
  }

  /** Queues a task for this turn, or from within a task for the next one. */
  enqueue(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    const { lane } = task;
    if (lane === undefined || lane === 0) this.#tasks.push(task);
    else this.#lanes.add(task, lane);
  }

  /** Queues a task for the end of this turn, after all others: one flush then serves many writes. */
  enqueueLast(task: Task): void {
    if (task.queued) return;
    task.queued = true;
    this.#lastTasks.push(task);
  }

  /**
   * Holds a task back while other Workers do not keep up with what this one sends them, and runs it when they do: for tasks
   * that make work for them because a peer says so. A peer could otherwise fill the memory with what waits.
   *
   * @returns Whether the task is held, and must stop here.
   */
  holdBack(task: Task): boolean {
    if (this.#mail === null || !this.#mail.isBehind) return false;
    if (!task.queued) {
      task.queued = true;
      this.#held.push(task);
    }
    return true;
  }

  /** Whether tasks are held back that need not be any more. */
  get #mayRelease(): boolean {
    return this.#held.length > 0 && !this.#mail!.isBehind;
  }

  /**
   * Sets a timer relative to now.
   *
   * @param timer The timer.
   * @param delayMs Ms from now, 0 up.
   */
  setTimer(timer: Timer, delayMs: number): void {
    this.timers.set(timer, this.now + delayMs);
  }

  /** Ends {@linkcode run} after the current turn. */
  stop(): void {
    this.#stopped = true;
  }

  /** Runs turns until {@linkcode stop}. */
  run(): void {
    while (!this.#stopped) this.turn();
  }

  /** One turn; public for tests that step a loop by hand. */
  turn(): void {
    const count = this.#wait();
    for (let i = 0; i < count; i++) {
      // an event of a channel that was removed since carries an old generation and is dropped
      const channel = this.#channels.of(this.#poller.fdAt(i) as Descriptor, this.#poller.tagAt(i));
      if (channel !== null) channel.onEvents(this.#poller.eventsAt(i));
    }
    this.#mail?.deliver();
    if (this.#mayRelease) this.#tasks.push(...this.#held.splice(0));
    this.#runTasks();
    this.#lanes.run(this.#clock, LANES_MS);
    this.#runTimers(count);
    this.#runLastTasks();
    this.#closeDescriptors();
  }

  #wait(): number {
    const before = this.#steady();
    let timeoutMs = 0;
    const hasWork = this.#tasks.length > 0 || this.#lastTasks.length > 0 || this.#lanes.length > 0;
    if (!hasWork && (this.#mail === null || this.#mail.mayAwaitMail()) && !this.#mayRelease) {
      const untilTimer = Math.max(0, Math.ceil(this.timers.next - this.#clock()));
      timeoutMs = Math.min(untilTimer, LONGEST_SLEEP_MS);
    }
    const count = this.#poller.wait(timeoutMs);
    this.#mail?.awake();
    const after = this.#steady();
    const stalled = Math.max(before - this.#turnBegan, after - before - timeoutMs);
    if (stalled > STALL_MS) this.timers.postpone(stalled);
    this.#turnBegan = after;
    this.now = this.#clock();
    if (count >= 0) return count;
    if (-count === Errno.EINTR) return 0;
    throw new SystemError("epoll_wait", -count, "waiting for events");
  }

  #runTimers(events: number): void {
    const allRead = !this.#poller.isFull(events) && this.#lanes.length === 0;
    if (!allRead && this.#fullTurns++ < MOST_FULL_TURNS) return;
    this.#fullTurns = 0;
    this.timers.run(this.now);
  }

  #runTasks(): void {
    const tasks = this.#tasks;
    this.#tasks = this.#running;
    this.#running = tasks;
    for (let i = 0; i < tasks.length; i++) {
      tasks[i].queued = false;
      tasks[i].run();
    }
    tasks.length = 0;
  }

  #runLastTasks(): void {
    const tasks = this.#lastTasks;
    for (let i = 0; i < tasks.length; i++) {
      tasks[i].queued = false;
      tasks[i].run();
    }
    tasks.length = 0;
  }

  #closeDescriptors(): void {
    for (let i = 0; i < this.#closing.length; i++) close(this.#closing[i]);
    this.#closing.length = 0;
  }

  /** Frees the epoll instance. The descriptors of channels stay open. */
  dispose(): void {
    this.#closeDescriptors();
    this.#poller.close();
  }
}

/** Whether it is the error of a kernel that has no room for another watched descriptor. */
export function isWatchShortage(error: unknown): error is SystemError {
  return error instanceof SystemError && error.call === "epoll_ctl" &&
    (error.code === Errno.ENOSPC || error.code === Errno.ENOMEM);
}
