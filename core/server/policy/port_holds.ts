// Public ports whose clients were lost, kept for their tokens: another token gets none of them meanwhile. It knows no
// open port.
import type { Grant } from "./grant.ts";

/** Ports that are kept for one token; the one that was lost first goes. */
const MOST_OF_ONE_TOKEN = 4096;

/** A port that is kept. */
interface Hold {
  /** The token that had it. */
  readonly grant: Grant;
  /** The port. */
  readonly port: number;
  /** When its client was lost, in ms. */
  readonly since: number;
}

/** See the file's head. One thread. */
export class PortHolds {
  readonly #holdMs: number;
  readonly #now: () => number;
  /** By port: more than one only when they are on different addresses. */
  readonly #ports = new Map<number, Hold[]>();
  /** By token, the first lost first. */
  readonly #grants = new Map<Grant, Set<Hold>>();

  /**
   * Makes it without any port.
   *
   * @param holdMs Ms for which a port is kept; 0 keeps none.
   * @param now Gives ms.
   */
  constructor(holdMs: number, now: () => number) {
    this.#holdMs = holdMs;
    this.#now = now;
  }

  /** The client of an open tunnel was lost. */
  keep(port: number, grant: Grant): void {
    if (this.#holdMs === 0) return;
    this.release(grant, port);
    const hold: Hold = { grant, port, since: this.#now() };
    const own = this.#grants.get(grant) ?? new Set();
    for (const first of own) {
      if (own.size < Math.min(grant.maxTunnels, MOST_OF_ONE_TOKEN) && !this.#isOver(first)) break;
      this.#drop(first);
    }
    // dropping the last one of a token has forgotten the token
    this.#grants.set(grant, own.add(hold));
    this.#ports.set(port, [...this.#ports.get(port) ?? [], hold]);
  }

  /** The token other than `grant` that a port is kept for, or null. */
  against(grant: Grant, port: number): Grant | null {
    const other = this.#holdsOf(port, grant).find((hold) => hold.grant !== grant);
    return other === undefined ? null : other.grant;
  }

  /** Whether a port is kept, for whatever token: one that was not asked for by its number should not be taken. */
  isKept(grant: Grant, port: number): boolean {
    return this.#holdsOf(port, grant).length > 0;
  }

  /** What is kept of a port on the address of a token. */
  #holdsOf(port: number, { bind }: Grant): Hold[] {
    const holds = this.#ports.get(port);
    if (holds === undefined) return [];
    for (const hold of holds) if (this.#isOver(hold)) this.#drop(hold);
    return holds.filter((hold) => !this.#isOver(hold) && overlap(hold.grant.bind, bind));
  }

  #isOver({ since }: Hold): boolean {
    return this.#now() - since >= this.#holdMs;
  }

  /** A client of the token has the port again. */
  release(grant: Grant, port: number): void {
    for (const hold of this.#ports.get(port) ?? []) if (hold.grant === grant) this.#drop(hold);
  }

  #drop(hold: Hold): void {
    const left = this.#ports.get(hold.port)!.filter((other) => other !== hold);
    if (left.length > 0) this.#ports.set(hold.port, left);
    else this.#ports.delete(hold.port);
    const own = this.#grants.get(hold.grant)!;
    own.delete(hold);
    if (own.size === 0) this.#grants.delete(hold.grant);
  }
}

/** Whether the same port cannot be open on both addresses: they are the same, or one of them is all. */
function overlap(one: string, other: string): boolean {
  return one === other || isAll(one) || isAll(other);
}

function isAll(bind: string): boolean {
  return bind === "0.0.0.0" || bind === "::";
}
