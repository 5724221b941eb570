// What the clients of one token may make the server hold, so that there is something left for the clients of another. It
// knows no socket.
import { type ConnectionCounts, Held, type PortPlace } from "./connection_counts.ts";

/** The limits of a server and its grants, as plain data. */
export interface ShareRules {
  /** Descriptors for connections and public ports, of all grants together. */
  readonly descriptors: number;
  /** The most PublicConns of each grant, by its id; what has no limit is `Infinity`. */
  readonly maxConnections: readonly number[];
  /** ProxyConns that are kept ready for a client. */
  readonly poolCount: number;
}

/**
 * See the file's head. A view for one thread.
 *
 * Beside others a grant may hold as many descriptors as are free: one that takes all that it can get has half, two
 * have a third each, and there is always as much left as the one has that holds most.
 */
export class TokenShares {
  readonly #rules: ShareRules;
  readonly #counts: ConnectionCounts;

  /** Makes the view. */
  constructor(rules: ShareRules, counts: ConnectionCounts) {
    this.#rules = rules;
    this.#counts = counts;
  }

  /** Whether a grant may have one more descriptor, as far as others may want some. */
  hasRoom(grant: number): boolean {
    const counts = this.#counts;
    if (counts.grants === 1) return true;
    return counts.descriptorsOf(grant) < this.#rules.descriptors - counts.descriptorsInAll();
  }

  /**
   * Whether a grant has more ProxyConns without a PublicConn than it may. A correct client has the ProxyConns of its
   * pool, and for a moment as many as its token may have PublicConns, which it has not freed yet.
   *
   * @param more Such ProxyConns that are not counted yet.
   */
  hasTooManySpares(grant: number, more: 0 | 1): boolean {
    const { maxConnections, poolCount } = this.#rules;
    const counts = this.#counts;
    return counts.of(Held.SPARES, grant) + more > maxConnections[grant] + poolCount * counts.of(Held.CLIENTS, grant);
  }
}

/** What a relay Worker counts for the grant of one client, and may keep for it. */
export class TokenAccount {
  readonly #grant: number;
  readonly #counts: ConnectionCounts;
  readonly #shares: TokenShares;

  /** Opens it. */
  constructor(grant: number, counts: ConnectionCounts, shares: TokenShares) {
    this.#grant = grant;
    this.#counts = counts;
    this.#shares = shares;
  }

  /** The lane of the client's tasks in the loop of a relay Worker. */
  get lane(): number {
    return this.#counts.laneOf(this.#grant);
  }

  /** A PublicConn is closed that came to this port. */
  publicClosed(place: PortPlace): void {
    this.#counts.closed(place);
  }

  /** A ProxyConn has no PublicConn from now on (1), or has one or is closed (-1). */
  countSpare(change: 1 | -1): void {
    this.#counts.count(Held.SPARES, this.#grant, change);
  }

  /** A notice connection has begun (1), or is closed (-1). */
  countNotices(change: 1 | -1): void {
    this.#counts.count(Held.NOTICES, this.#grant, change);
  }

  /** Whether there may be one more ProxyConn without a PublicConn. */
  get mayKeepSpare(): boolean {
    return !this.#shares.hasTooManySpares(this.#grant, 1) && this.#shares.hasRoom(this.#grant);
  }

  /** The same for one that is counted already. */
  get maySpareStay(): boolean {
    return !this.hasTooManySpares && this.#shares.hasRoom(this.#grant);
  }

  /** See {@linkcode TokenShares.hasTooManySpares}. */
  get hasTooManySpares(): boolean {
    return this.#shares.hasTooManySpares(this.#grant, 0);
  }
}
