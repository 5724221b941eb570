// Counters in shared memory: one row per Worker, written by that Worker only and read by anyone at any time.

/**
 * A table of counters with named columns. Values are doubles: exact to 2⁵³, and an aligned 8-byte store is seen whole by
 * other threads on x86_64 and aarch64.
 */
export class Counters<Name extends string> {
  /** The memory, to be posted to Workers. */
  readonly memory: SharedArrayBuffer;
  readonly #columns: readonly Name[];
  readonly #values: Float64Array;

  /**
   * Lays a table over memory.
   *
   * @param columns The names of the columns, the same in every thread.
   * @param rows How many Workers there are.
   * @param memory Memory of another such table; new memory when left out.
   */
  constructor(columns: readonly Name[], rows: number, memory?: SharedArrayBuffer) {
    this.#columns = columns;
    this.memory = memory ?? new SharedArrayBuffer(columns.length * rows * 8);
    this.#values = new Float64Array(this.memory);
  }

  /**
   * One Worker's row, to be indexed by column number: the hot path adds to it directly.
   *
   * @param row The Worker's row, 0 up.
   */
  row(row: number): Float64Array {
    const width = this.#columns.length;
    return this.#values.subarray(row * width, (row + 1) * width);
  }

  /** The sum of every column over all rows. */
  totals(): Record<Name, number> {
    const width = this.#columns.length;
    const sums = this.#columns.map((name, column): [Name, number] => {
      let sum = 0;
      for (let at = column; at < this.#values.length; at += width) sum += this.#values[at];
      return [name, sum];
    });
    return Object.fromEntries(sums) as Record<Name, number>;
  }
}
