// Which relay Worker gets the next PublicConn of a client: the few that keep ProxyConns ready for it take turns, and as
// many as it has sessions when that is more. So a client at rest has few connections, and one under load has every
// Worker.
import type { ControlId } from "../../protocol/ids.ts";
import type { ClientLoads } from "../client_loads.ts";
import { firstRelayOf, leastWidth } from "../spread.ts";

interface Hand {
  /** How many public ports the client has. */
  ports: number;
  /** Whose turn is next: its place after the client's first Worker. */
  turn: number;
}

/** See the file's head. For the acceptor Worker. */
export class Dealer {
  readonly #loads: ClientLoads;
  readonly #relays: number;
  readonly #poolCount: number;
  /** Clients that have public ports. */
  readonly #hands = new Map<ControlId, Hand>();

  /**
   * Makes a dealer.
   *
   * @param loads How many PublicConns each client has.
   * @param relays How many relay Workers there are.
   * @param poolCount How many idle ProxyConns a client has in all.
   */
  constructor(loads: ClientLoads, relays: number, poolCount: number) {
    this.#loads = loads;
    this.#relays = relays;
    this.#poolCount = poolCount;
  }

  /** A client has one more public port. */
  open(control: ControlId): void {
    const hand = this.#hands.get(control);
    if (hand === undefined) this.#hands.set(control, { ports: 1, turn: 0 });
    else hand.ports++;
  }

  /** It has one less. */
  close(control: ControlId): void {
    if (--this.#hands.get(control)!.ports === 0) this.#hands.delete(control);
  }

  /** Counts a PublicConn at one of them in, and says which relay Worker gets it, 0 up. */
  deal(control: ControlId): number {
    this.#loads.count(control, 1);
    const hand = this.#hands.get(control)!;
    const width = Math.min(this.#relays, Math.max(leastWidth(this.#relays, this.#poolCount), this.#loads.of(control)));
    if (hand.turn >= width) hand.turn = 0;
    return (firstRelayOf(control, this.#relays, this.#poolCount) + hand.turn++) % this.#relays;
  }
}
