// How many PublicConns are open: of the server, of each grant, and on each tunnel, in shared memory. The acceptor Worker
// counts those that it lets in, and the relay Worker that has one counts it out. It limits nothing.
import type { TunnelRow } from "../relay/counters.ts";
import { MOST_TUNNELS } from "./worker_config.ts";

/** A view on the counts; one per thread. Any thread may call anything. */
export class ConnectionCounts {
  /** The memory, to be posted to Workers. */
  readonly memory: SharedArrayBuffer;
  /** All, then each grant, then each tunnel. */
  readonly #words: Int32Array;
  readonly #tunnels: number;

  /**
   * Lays the view over memory.
   *
   * @param grants How many grants there are.
   * @param memory Memory of another such view; new memory when left out.
   */
  constructor(grants: number, memory?: SharedArrayBuffer) {
    this.#tunnels = 1 + grants;
    this.memory = memory ?? new SharedArrayBuffer((this.#tunnels + MOST_TUNNELS) * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory);
  }

  /** One more is open on the tunnel with this row, whose client has this grant. */
  opened(grant: number, row: TunnelRow): void {
    this.#add(grant, row, 1);
  }

  /** One of them is closed. */
  closed(grant: number, row: TunnelRow): void {
    this.#add(grant, row, -1);
  }

  #add(grant: number, row: TunnelRow, change: 1 | -1): void {
    Atomics.add(this.#words, 0, change);
    Atomics.add(this.#words, 1 + grant, change);
    Atomics.add(this.#words, this.#tunnels + row, change);
  }

  /** How many are open in all. */
  inAll(): number {
    return Atomics.load(this.#words, 0);
  }

  /** How many are open on all tunnels of a grant. */
  ofGrant(grant: number): number {
    return Atomics.load(this.#words, 1 + grant);
  }

  /** How many are open on the tunnel with this row. */
  ofTunnel(row: TunnelRow): number {
    return Atomics.load(this.#words, this.#tunnels + row);
  }
}
