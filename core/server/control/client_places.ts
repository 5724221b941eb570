// Whether one more client of a token may log in: the rule max_clients, and that one which seems to be gone makes room.
// What waits to be sent to a token's clients is counted together.
import type { UnsentBytes } from "../../protocol/ctl_conn.ts";
import type { Grant } from "../policy/grant.ts";
import type { Control } from "./control.ts";

/** See the file's head. One thread. */
export class ClientPlaces {
  readonly #clients = new Map<Grant, Set<Control>>();
  readonly #unsent = new Map<Grant, UnsentBytes>();
  readonly #goneAfterMs: number;
  readonly #hasRoom: (grant: Grant) => boolean;

  /**
   * Makes it without any client.
   *
   * @param heartbeatTimeoutMs Ms of silence after which a client counts as dead. One that is there is never silent for half
   *   of it: it sends a heartbeat after a third.
   * @param hasRoom Whether there are descriptors for one more client of a grant.
   */
  constructor(heartbeatTimeoutMs: number, hasRoom: (grant: Grant) => boolean) {
    this.#goneAfterMs = heartbeatTimeoutMs / 2;
    this.#hasRoom = hasRoom;
  }

  /** One has logged in. */
  take(control: Control): void {
    const clients = this.#clients.get(control.grant);
    if (clients === undefined) this.#clients.set(control.grant, new Set([control]));
    else clients.add(control);
    let unsent = this.#unsent.get(control.grant);
    if (unsent === undefined) this.#unsent.set(control.grant, unsent = { total: 0 });
    control.conn.unsent = unsent;
  }

  /** One has gone, and its ctl_conn is closed. */
  leave(control: Control): void {
    this.#clients.get(control.grant)?.delete(control);
  }

  /** Whether all places of a grant are taken. */
  isFull(grant: Grant): boolean {
    return (this.#clients.get(grant)?.size ?? 0) >= grant.maxClients;
  }

  /**
   * The client of a grant that has been silent for longest, if that is so long that it seems to be gone: a client that was
   * started again, on a host that went down, shall not wait until the server gives the former one up.
   */
  goneOf(grant: Grant): Control | null {
    let gone: Control | null = null;
    let silenceMs = this.#goneAfterMs;
    for (const control of this.#clients.get(grant) ?? []) {
      if (control.conn.silenceMs < silenceMs) continue;
      silenceMs = control.conn.silenceMs;
      gone = control;
    }
    return gone;
  }

  /** Why no client of a grant can log in that has no former self to replace, or null. */
  refusal(grant: Grant): string | null {
    const whose = grant.name === null ? "The server's token" : `Token "${grant.name}"`;
    if (!this.isFull(grant)) return this.#hasRoom(grant) ? null : `${whose} has its share of the server's descriptors`;
    if (this.goneOf(grant) !== null) return null;
    return `${whose} has reached its max_clients (${grant.maxClients})`;
  }
}
