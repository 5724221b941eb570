// What a token grants: which ports, how many tunnels, how many connections, and where they are opened. It knows neither
// clients nor sockets.
import type { PortRange } from "../../config/ranges.ts";
import type { ServerConfig } from "../../config/server_config.ts";
import { type Greeting, provedToken } from "../../protocol/auth.ts";

/** A token and its rules. What has no limit is `Infinity`. */
export interface Grant {
  /** Its place among the server's grants. */
  readonly id: number;
  /** What people call it; null for the token that is in no list, and for none. */
  readonly name: string | null;
  /** The secret; null grants clients on loopback without one. No other grant is beside such a one. */
  readonly token: string | null;
  /** The public ports that may be asked for, in rising order; null is any. */
  readonly ports: readonly PortRange[] | null;
  /** The most clients at a time. */
  readonly maxClients: number;
  /** The most tunnels at a time. */
  readonly maxTunnels: number;
  /** The most connections at a time on all of its public ports. */
  readonly maxConnections: number;
  /** The most connections at a time on one of its ports. */
  readonly maxConnectionsPerTunnel: number;
  /** The address of its public ports, as the user wrote it. */
  readonly bind: string;
}

/**
 * The grants of a configuration, at least one.
 *
 * @param config The configuration.
 * @param maxClients The most clients of a token that does not say.
 */
export function grantsOf({ token, tokens, publicBind }: ServerConfig, maxClients: number): Grant[] {
  const named = tokens.map((rules) => ({
    name: rules.name,
    token: rules.token,
    ports: rules.ports,
    maxClients: rules.maxClients ?? maxClients,
    maxTunnels: rules.maxTunnels ?? Infinity,
    maxConnections: rules.maxConnections ?? Infinity,
    maxConnectionsPerTunnel: rules.maxConnectionsPerTunnel ?? Infinity,
    bind: rules.publicBind ?? publicBind,
  }));
  const unlimited = { maxTunnels: Infinity, maxConnections: Infinity, maxConnectionsPerTunnel: Infinity };
  const unnamed = { name: null, token, ports: null, maxClients, ...unlimited, bind: publicBind };
  // without any token there is one grant, for all clients on this host
  const all = token === null && named.length > 0 ? named : [unnamed, ...named];
  return all.map((grant, id) => ({ id, ...grant }));
}

/** The grant whose token a client has proved, or null; for grants that have tokens. */
export function grantFor(grants: readonly Grant[], greeting: Greeting, proof: string): Grant | null {
  const place = provedToken(grants.map(({ token }) => token!), greeting, proof);
  return place < 0 ? null : grants[place];
}
