// Tasks of parties that share a loop: the parties have turns, task by task, so that a party with a thousand tasks does
// not keep another one's only task waiting. It knows no party but by its number.

/** What a lane holds. */
export interface LaneTask {
  /** True until it is run. */
  queued: boolean;
  /** Runs it. */
  run(): void;
}

/** Places at the front of a queue that may be empty before the rest moves up. */
const MOST_PASSED = 256;

/** The tasks of one party, the first queued first. */
interface Lane {
  readonly tasks: LaneTask[];
  /** Where the first one is. */
  first: number;
}

/** See the file's head. One thread. A lane is made once and kept. */
export class TaskLanes {
  readonly #lanes: (Lane | undefined)[] = [];
  /** The lanes that have tasks. */
  readonly #busy: Lane[] = [];
  #turn = 0;
  #length = 0;

  /** How many tasks wait. */
  get length(): number {
    return this.#length;
  }

  /** Queues a task in a lane, 1 up. */
  add(task: LaneTask, number: number): void {
    const lane = this.#lanes[number] ??= { tasks: [], first: 0 };
    if (lane.tasks.length === 0) this.#busy.push(lane);
    lane.tasks.push(task);
    this.#length++;
  }

  /**
   * Runs tasks, one of each lane in turn, until the time is over: each task that waits now once, or fewer. One that queues
   * itself again may run again in place of another one of its lane.
   *
   * @param clock Gives ms.
   * @param mostMs Ms after which no other task is begun, once one has run.
   */
  run(clock: () => number, mostMs: number): void {
    if (this.#length === 0) return;
    const end = clock() + mostMs;
    for (let left = this.#length; left > 0; left--) {
      const task = this.#next();
      task.queued = false;
      task.run();
      if (clock() >= end) return;
    }
  }

  #next(): LaneTask {
    if (this.#turn >= this.#busy.length) this.#turn = 0;
    const lane = this.#busy[this.#turn];
    const { tasks } = lane;
    const task = tasks[lane.first++];
    this.#length--;
    if (lane.first === tasks.length) {
      tasks.length = lane.first = 0;
      // the last one takes its place, and its turn
      const last = this.#busy.pop()!;
      if (last !== lane) this.#busy[this.#turn] = last;
      return task;
    }
    if (lane.first === MOST_PASSED) {
      tasks.copyWithin(0, lane.first);
      tasks.length -= lane.first;
      lane.first = 0;
    }
    this.#turn++;
    return task;
  }
}
