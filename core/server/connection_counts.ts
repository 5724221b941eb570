// What the clients of each grant make the server hold, counted in shared memory: PublicConns and everything else that is a
// descriptor. The Worker that has a thing counts it in and out. It limits nothing.

/** What is counted. */
export const Held = {
  /** PublicConns. Each has, or needs, a ProxyConn under it, which is counted with it. */
  VISITORS: 0,
  /** ProxyConns without a PublicConn: idle, or not freed by their client. */
  SPARES: 1,
  /** Notice connections. */
  NOTICES: 2,
  /** Clients that are logged in. */
  CLIENTS: 3,
  /** Public ports that are open. */
  PORTS: 4,
} as const;

/** A value of {@linkcode Held}. */
export type HeldKind = typeof Held[keyof typeof Held];

/** Words of a grant's row, a cache line. */
const ROW_WORDS = 16;
const PORTS_OF_GRANT = 65_536;

/** A public port of a grant, so that a session can be counted out long after its tunnel is gone. */
export type PortPlace = number & { readonly brand: "PortPlace" };

/** The place of a grant's public port, 0 to 65535. */
export function portPlaceOf(grant: number, port: number): PortPlace {
  return grant * PORTS_OF_GRANT + port as PortPlace;
}

/** The grant whose port that is. */
function grantOf(place: PortPlace): number {
  return Math.floor(place / PORTS_OF_GRANT);
}

/** A view on the counts; one per thread. Any thread may call anything. */
export class ConnectionCounts {
  /** The memory, to be posted to Workers. The memory of unused ports is only reserved. */
  readonly memory: SharedArrayBuffer;
  /** How many grants there are. */
  readonly grants: number;
  /** A row for all, then one for each grant, then a word for each port of each grant. */
  readonly #words: Int32Array;
  readonly #ports: number;

  /**
   * Lays the view over memory.
   *
   * @param grants How many grants there are.
   * @param memory Memory of another such view; new memory when left out.
   */
  constructor(grants: number, memory?: SharedArrayBuffer) {
    this.grants = grants;
    this.#ports = (1 + grants) * ROW_WORDS;
    const words = this.#ports + grants * PORTS_OF_GRANT;
    this.memory = memory ?? new SharedArrayBuffer(words * Int32Array.BYTES_PER_ELEMENT);
    this.#words = new Int32Array(this.memory);
  }

  /** One more PublicConn is open on a port. */
  opened(place: PortPlace): void {
    this.#addVisitor(place, 1);
  }

  /** One of them is closed. */
  closed(place: PortPlace): void {
    this.#addVisitor(place, -1);
  }

  #addVisitor(place: PortPlace, change: 1 | -1): void {
    this.count(Held.VISITORS, grantOf(place), change);
    Atomics.add(this.#words, this.#ports + place, change);
  }

  /** There is one more (1) or one less (-1) of something that is no PublicConn. */
  count(kind: HeldKind, grant: number, change: 1 | -1): void {
    Atomics.add(this.#words, kind, change);
    Atomics.add(this.#words, (1 + grant) * ROW_WORDS + kind, change);
  }

  /** The lane of a grant's tasks in the loop of a Worker: 0 while there is one grant only. */
  laneOf(grant: number): number {
    return this.grants === 1 ? 0 : 1 + grant;
  }

  /** How many of a kind the clients of a grant have. */
  of(kind: HeldKind, grant: number): number {
    return Atomics.load(this.#words, (1 + grant) * ROW_WORDS + kind);
  }

  /** How many PublicConns are open in all. */
  inAll(): number {
    return Atomics.load(this.#words, Held.VISITORS);
  }

  /** How many PublicConns are open on all tunnels of a grant. */
  ofGrant(grant: number): number {
    return this.of(Held.VISITORS, grant);
  }

  /** How many PublicConns are open that came to a port, whatever tunnel had it then. */
  ofPort(place: PortPlace): number {
    return Atomics.load(this.#words, this.#ports + place);
  }

  /** Descriptors that a grant has, or will need for the PublicConns that are there. */
  descriptorsOf(grant: number): number {
    return this.#descriptors((1 + grant) * ROW_WORDS);
  }

  /** The same of all grants. */
  descriptorsInAll(): number {
    return this.#descriptors(0);
  }

  #descriptors(row: number): number {
    const words = this.#words;
    return 2 * Atomics.load(words, row + Held.VISITORS) + Atomics.load(words, row + Held.SPARES) +
      Atomics.load(words, row + Held.NOTICES) + Atomics.load(words, row + Held.CLIENTS) +
      Atomics.load(words, row + Held.PORTS);
  }
}
