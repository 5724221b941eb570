// Whether one more PublicConn may come in, by the rules on numbers of connections: the server's, and a grant's.
import type { LogLimit } from "../../reactor/log_limit.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import type { ConnectionCounts, PortPlace } from "../connection_counts.ts";
import { noteRefusal, type RefusalContext, refusalLimit } from "./refusal.ts";
import type { PortRules } from "../worker_config.ts";

/** A number of connections that is not to be exceeded, and the log of visitors beyond it. */
class Limit {
  readonly #most: number;
  readonly #context: RefusalContext;
  readonly #message: string;
  readonly #fields: LogFields;
  readonly #log: LogLimit;

  constructor(context: RefusalContext, rule: string, most: number | null, token: string | null) {
    this.#most = most ?? Infinity;
    this.#context = context;
    this.#message = `Visitors are refused by ${rule}`;
    this.#fields = token === null ? { limit: this.#most } : { token, limit: this.#most };
    this.#log = refusalLimit(context);
  }

  /** Whether there can be another one beside `open`; if not, that is noted. */
  admits(open: number, fields: LogFields): boolean {
    if (open < this.#most) return true;
    noteRefusal(this.#context, this.#log, this.#message, { ...this.#fields, ...fields });
    return false;
  }
}

/** See the file's head. For the acceptor Worker, where nothing comes between looking and counting. */
export class ConnectionLimits {
  readonly #counts: ConnectionCounts;
  readonly #all: Limit;
  readonly #grants: readonly { readonly all: Limit; readonly tunnels: Limit; readonly tunnel: Limit }[];

  /**
   * Makes the limits.
   *
   * @param context The Worker.
   * @param counts What is open.
   * @param rules The rules of each grant, by its id.
   * @param maxConnections The most connections in all, or null.
   */
  constructor(
    context: RefusalContext,
    counts: ConnectionCounts,
    rules: readonly PortRules[],
    maxConnections: number | null,
  ) {
    this.#counts = counts;
    this.#all = new Limit(context, "max_connections", maxConnections, null);
    this.#grants = rules.map(({ name, maxTunnels, maxConnections, maxConnectionsPerTunnel }) => ({
      all: new Limit(context, "max_connections", maxConnections, name),
      // tunnels that are closed and opened on other ports have no more visitors than open tunnels may have at a time
      tunnels: new Limit(
        context,
        "max_connections_per_tunnel times max_tunnels",
        product(maxTunnels, maxConnectionsPerTunnel),
        name,
      ),
      tunnel: new Limit(context, "max_connections_per_tunnel", maxConnectionsPerTunnel, name),
    }));
  }

  /**
   * Counts in the visitor accepted last, if every rule lets it in.
   *
   * @param grant The grant of the port's client.
   * @param place The port.
   * @param fields The same, for people.
   * @returns Whether it may stay.
   */
  admits(grant: number, place: PortPlace, fields: LogFields): boolean {
    const counts = this.#counts;
    const { all, tunnels, tunnel } = this.#grants[grant];
    if (!tunnel.admits(counts.ofPort(place), fields)) return false;
    if (!all.admits(counts.ofGrant(grant), fields)) return false;
    if (!tunnels.admits(counts.ofGrant(grant), fields)) return false;
    if (!this.#all.admits(counts.inAll(), fields)) return false;
    counts.opened(place);
    return true;
  }
}

/** How many connections so many tunnels can have; of no tunnel 0, also where each of them has no limit. */
function product(tunnels: number, perTunnel: number): number {
  return tunnels === 0 ? 0 : tunnels * perTunnel;
}
