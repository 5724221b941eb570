// PublicConns of one client that wait for a ProxyConn. Their tunnels have turns: a crowd at one of them delays no other.
import { type Linked, LinkedList } from "../../reactor/linked_list.ts";
import type { PublicConn } from "./public_conn.ts";

/** The PublicConns of one tunnel, in the order of coming. */
class TunnelQueue implements Linked<TunnelQueue> {
  list: LinkedList<TunnelQueue> | null = null;
  before: TunnelQueue | null = null;
  after: TunnelQueue | null = null;
  readonly tunnel: number;
  readonly conns = new LinkedList<PublicConn>();

  constructor(tunnel: number) {
    this.tunnel = tunnel;
  }
}

/** See the file's head. One thread. */
export class VisitorQueue {
  /** Only tunnels at which somebody waits. */
  readonly #tunnels = new Map<number, TunnelQueue>();
  /** The same, in the order of their turns. */
  readonly #turns = new LinkedList<TunnelQueue>();
  #length = 0;

  /** How many wait. */
  get length(): number {
    return this.#length;
  }

  #queueOf(tunnel: number): TunnelQueue {
    let queue = this.#tunnels.get(tunnel);
    if (queue === undefined) {
      queue = new TunnelQueue(tunnel);
      this.#tunnels.set(tunnel, queue);
      this.#turns.push(queue);
    }
    return queue;
  }

  /** The last of its tunnel. */
  push(conn: PublicConn): void {
    this.#queueOf(conn.tunnel).conns.push(conn);
    this.#length++;
  }

  /** The first of its tunnel, whose turn is next: it has had its turn already, with a ProxyConn that was dead. */
  putBack(conn: PublicConn): void {
    const queue = this.#queueOf(conn.tunnel);
    queue.conns.unshift(conn);
    this.#length++;
    this.#turns.remove(queue);
    this.#turns.unshift(queue);
  }

  /** Takes out the next PublicConn. */
  next(): PublicConn | null {
    const queue = this.#turns.first;
    if (queue === null) return null;
    const conn = queue.conns.first!;
    this.#turns.remove(queue);
    this.#turns.push(queue);
    this.remove(conn);
    return conn;
  }

  /** Takes one out that does not wait any more; nothing happens when it is not here. */
  remove(conn: PublicConn): void {
    const queue = this.#tunnels.get(conn.tunnel);
    if (queue === undefined || conn.list !== queue.conns) return;
    queue.conns.remove(conn);
    this.#length--;
    if (queue.conns.length > 0) return;
    this.#turns.remove(queue);
    this.#tunnels.delete(queue.tunnel);
  }

  /**
   * Takes out the PublicConn that came first at any of the tunnels.
   *
   * @param before Ms of the loop's clock.
   * @returns One that has waited since then or longer; null when there is none.
   */
  expired(before: number): PublicConn | null {
    for (let queue = this.#turns.first; queue !== null; queue = queue.after) {
      const conn = queue.conns.first!;
      if (conn.since > before) continue;
      this.remove(conn);
      return conn;
    }
    return null;
  }
}
