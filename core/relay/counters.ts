// What the relay Workers of a program count, in shared memory: a block per Worker with a row of its own and a row per
// tunnel, written by that Worker only and read by anyone at any time. It knows rows by number, not whose they are.

/** What a relay Worker counts for itself. */
export const WORKER_COLUMNS = [
  "proxyConnsOpened",
  "proxyConnsClosed",
  "noticeConnsOpened",
  "noticeConnsClosed",
] as const;

/**
 * What a relay Worker counts for each tunnel. Bytes are counted when they are written: to the ProxyConn, or from it to the
 * endpoint. Bytes that were read and that a reset then left without a reader are lost. So once no session is under way,
 * what was read on one side is what was written on the other and what was lost in between.
 */
export const TUNNEL_COLUMNS = [
  "sessionsOpened",
  "sessionsEnded",
  "sessionsReset",
  "sessionsRefused",
  "bytesToProxy",
  "bytesFromProxy",
  "bytesLostToProxy",
  "bytesLostFromProxy",
] as const;

/** A name of {@linkcode WORKER_COLUMNS}. */
export type WorkerColumn = typeof WORKER_COLUMNS[number];
/** A name of {@linkcode TUNNEL_COLUMNS}. */
export type TunnelColumn = typeof TUNNEL_COLUMNS[number];

/** What was counted for one tunnel, or for all tunnels. */
export type TunnelCounts = Readonly<Record<TunnelColumn, number>>;

/** The number of a tunnel's row, 0 up, the same in the block of every Worker. */
export type TunnelRow = number & { readonly brand: "TunnelRow" };

/** Where a tunnel's row begins in a Worker's block: what a session holds, so that counting is one addition. */
export type TunnelPlace = number & { readonly brand: "TunnelPlace" };

/** Words of a row: a cache line. */
const ROW_WORDS = 8;

/**
 * Column numbers, for the hot path: a Worker's are places in its block, a tunnel's are relative to its
 * {@linkcode TunnelPlace}.
 */
export const Count: { readonly [Name in WorkerColumn | TunnelColumn]: number } = Object.fromEntries(
  [...WORKER_COLUMNS.entries(), ...TUNNEL_COLUMNS.entries()].map(([column, name]) => [name, column]),
) as { [Name in WorkerColumn | TunnelColumn]: number };

/** Where a tunnel's row begins in a Worker's block. */
export function placeOf(row: TunnelRow): TunnelPlace {
  return (row + 1) * ROW_WORDS as TunnelPlace;
}

/** The row that begins there. */
export function rowOf(place: TunnelPlace): TunnelRow {
  return place / ROW_WORDS - 1 as TunnelRow;
}

/** How many sessions are under way, by what was counted. */
export function sessionsUnderWay(counts: TunnelCounts): number {
  return counts.sessionsOpened - counts.sessionsEnded - counts.sessionsReset - counts.sessionsRefused;
}

/** How many sessions are under way in the block of a Worker, all its tunnels together. */
export function sessionsInBlock(block: Float64Array): number {
  let sessions = 0;
  for (let at = ROW_WORDS; at < block.length; at += ROW_WORDS) {
    sessions += block[at + Count.sessionsOpened] - block[at + Count.sessionsEnded] -
      block[at + Count.sessionsReset] - block[at + Count.sessionsRefused];
  }
  return sessions;
}

/**
 * A view on the counters of all relay Workers of a program; one per thread. Values are doubles: exact to 2^53, and an
 * aligned 8-byte store is seen whole by other threads on x86_64 and aarch64. Memory that no tunnel has used yet is only
 * reserved: the kernel gives it when it is first written.
 */
export class RelayCounters {
  /** The memory, to be posted to Workers. */
  readonly memory: SharedArrayBuffer;
  /** How many tunnels there can be. */
  readonly tunnels: number;
  readonly #blocks: readonly Float64Array[];

  /**
   * Lays the view over memory.
   *
   * @param workers How many relay Workers there are.
   * @param tunnels How many rows for tunnels there are.
   * @param memory Memory of another such view; new memory when left out.
   */
  constructor(workers: number, tunnels: number, memory?: SharedArrayBuffer) {
    const words = (tunnels + 1) * ROW_WORDS;
    this.tunnels = tunnels;
    this.memory = memory ?? new SharedArrayBuffer(workers * words * Float64Array.BYTES_PER_ELEMENT);
    this.#blocks = Array.from(
      { length: workers },
      (_, worker) => new Float64Array(this.memory, worker * words * Float64Array.BYTES_PER_ELEMENT, words),
    );
  }

  /** The block of a Worker, which only it may write: the hot path adds to it by {@linkcode Count}. */
  block(worker: number): Float64Array {
    return this.#blocks[worker];
  }

  /** What was counted for the tunnels that have had a row. */
  tunnel(row: TunnelRow): TunnelCounts {
    const place = placeOf(row);
    return record(TUNNEL_COLUMNS, (column) => sum(this.#blocks, (block) => block[place + column]));
  }

  /** Everything that was counted, over all Workers and tunnels. */
  totals(): Record<WorkerColumn | TunnelColumn, number> {
    return {
      ...record(TUNNEL_COLUMNS, (column) => sum(this.#blocks, (block) => sumOfColumn(block, column))),
      ...record(WORKER_COLUMNS, (column) => sum(this.#blocks, (block) => block[column])),
    };
  }
}

function record<Name extends string>(
  columns: readonly Name[],
  value: (column: number) => number,
): Record<Name, number> {
  return Object.fromEntries(columns.map((name, column) => [name, value(column)])) as Record<Name, number>;
}

function sum(blocks: readonly Float64Array[], value: (block: Float64Array) => number): number {
  return blocks.reduce((total, block) => total + value(block), 0);
}

function sumOfColumn(block: Float64Array, column: number): number {
  let total = 0;
  for (let at = ROW_WORDS + column; at < block.length; at += ROW_WORDS) total += block[at];
  return total;
}
