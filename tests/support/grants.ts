// Grants as tests need them: without rules, but for those that the test is about.

import type { Grant } from "../../core/server/policy/grant.ts";

/** A grant without a name, a token or rules, but for `rules`. */
export function grant(rules: Partial<Grant> = {}): Grant {
  return {
    id: 0,
    name: null,
    token: null,
    ports: null,
    maxClients: Infinity,
    maxTunnels: Infinity,
    maxConnections: Infinity,
    maxConnectionsPerTunnel: Infinity,
    bind: "0.0.0.0",
    ...rules,
  };
}
