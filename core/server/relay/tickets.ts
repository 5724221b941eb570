// Tickets of one relay Worker: what was asked for, of which client, and until when. A ticket is good once, for its own
// connection.
import type { ControlId, ProxyId } from "../../protocol/ids.ts";
import { newTicket, sameTicket, type Ticket } from "../../protocol/ticket.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { Sweep, Swept } from "./sweep.ts";

/** Ms for which a ticket is good. */
const TICKET_MS = 10_000;
/** ProxyIds are u32. */
const LAST_ID = 0xffff_ffff;

/** Waits for a connection. */
export interface TicketHolder {
  /** The client that is asked. */
  readonly control: ControlId;
  /** See `Lanes`. */
  readonly stride: number;
  /** The client has gone: its tickets are worthless. */
  readonly isLost: boolean;
  /** Whether it has a ProxyConn of that number. */
  has(proxy: ProxyId): boolean;
  /** The ticket has expired. */
  onTicketExpired(proxy: ProxyId, notices: boolean): void;
}

/** What was asked for. */
export interface Issued<Holder> {
  /** Waits for it. */
  readonly holder: Holder;
  /** Whether it is to be a notice connection. */
  readonly notices: boolean;
  /** What it has to show. */
  readonly ticket: Ticket;
  /** When it was asked for, in ms of the loop's clock. */
  readonly since: number;
}

/** See the file's head. One thread. */
export class Tickets<Holder extends TicketHolder> implements Swept {
  readonly #loop: EventLoop;
  readonly #index: number;
  readonly #relays: number;
  readonly #sweep: Sweep;
  readonly #send: (control: ControlId, proxy: ProxyId, notices: boolean, ticket: Ticket) => void;
  /** Oldest first. Tickets of a client that has gone stay until they expire. */
  readonly #issued = new Map<ProxyId, Issued<Holder>>();
  #last = 0;

  /**
   * Makes it without tickets.
   *
   * @param loop The Worker's loop.
   * @param index The Worker's place among the relay Workers: the remainder of the numbers that it gives.
   * @param relays How many relay Workers there are.
   * @param sweep Sees that tickets expire.
   * @param send Tells the client.
   */
  constructor(
    loop: EventLoop,
    index: number,
    relays: number,
    sweep: Sweep,
    send: (control: ControlId, proxy: ProxyId, notices: boolean, ticket: Ticket) => void,
  ) {
    this.#loop = loop;
    this.#index = index;
    this.#relays = relays;
    this.#sweep = sweep;
    this.#send = send;
  }

  /**
   * Asks for a connection.
   *
   * @param holder Waits for it.
   * @param notices Whether it is to be a notice connection.
   * @param lane Which relay Worker of the client gets it, below the holder's stride.
   */
  issue(holder: Holder, notices: boolean, lane: number): void {
    const { stride } = holder;
    let proxy: ProxyId;
    do {
      this.#last = (this.#last + 1) * stride * this.#relays > LAST_ID - stride * this.#relays ? 1 : this.#last + 1;
      proxy = ((this.#last * stride + lane) * this.#relays + this.#index) as ProxyId;
    } while (this.#issued.has(proxy) || holder.has(proxy));
    const ticket = newTicket();
    this.#issued.set(proxy, { holder, notices, ticket, since: this.#loop.now });
    this.#sweep.watch(this);
    this.#send(holder.control, proxy, notices, ticket);
  }

  /** Takes a ticket in: what was asked for, or null when there is no such ticket. */
  redeem(proxy: ProxyId, ticket: Ticket): Issued<Holder> | null {
    const issued = this.#issued.get(proxy);
    if (issued === undefined || issued.holder.isLost || !sameTicket(issued.ticket, ticket)) return null;
    this.#issued.delete(proxy);
    return issued;
  }

  /** Takes back tickets that have expired. */
  sweep(now: number): boolean {
    for (const [proxy, { holder, notices, since }] of this.#issued) {
      if (now - since < TICKET_MS) break;
      this.#issued.delete(proxy);
      if (!holder.isLost) holder.onTicketExpired(proxy, notices);
    }
    return this.#issued.size > 0;
  }
}
