// The balance of one part of the run: the same sessions and bytes, as the ends of the visits and both programs counted
// them.

import type { Ledger } from "./ledger.ts";
import type { Counts } from "./measure.ts";
import { type TunnelName, TUNNELS } from "./plan.ts";

/** Where the bytes of one direction were counted, in the order in which they pass. */
export interface Passage {
  readonly tunnel: TunnelName;
  readonly direction: "up" | "down";
  /** Sent by the visitors or the services. */
  readonly sent: number;
  readonly firstIn: number;
  readonly firstOut: number;
  readonly secondIn: number;
  readonly secondOut: number;
  /** Received by the services or the visitors. */
  readonly received: number;
}

/** What either program counted for each tunnel. */
export type Counted = Readonly<Record<TunnelName, { readonly server: Counts; readonly client: Counts }>>;

/** The passages of every tunnel, both ways. */
export function passagesOf(ledger: Ledger, counted: Counted): Passage[] {
  return TUNNELS.flatMap((tunnel) => {
    const { server, client } = counted[tunnel];
    const [visitors, services] = [ledger.visitors[tunnel], ledger.services[tunnel]];
    const passed = (first: Counts, second: Counts) => ({
      firstIn: first.bytesToProxy + first.bytesLostToProxy,
      firstOut: first.bytesToProxy,
      secondIn: second.bytesFromProxy + second.bytesLostFromProxy,
      secondOut: second.bytesFromProxy,
    });
    return [
      { tunnel, direction: "up", sent: visitors.sent, ...passed(server, client), received: services.received },
      { tunnel, direction: "down", sent: services.sent, ...passed(client, server), received: visitors.received },
    ] satisfies Passage[];
  });
}

/**
 * What does not balance. Behind the exact service every count is the same; elsewhere what a reset leaves behind is missing
 * from there on, and nothing ever appears.
 */
export function imbalances(ledger: Ledger, counted: Counted): string[] {
  const wrong: string[] = [];
  for (const passage of passagesOf(ledger, counted)) {
    const { tunnel, direction, sent, firstIn, firstOut, secondIn, secondOut, received } = passage;
    const steps = [sent, firstIn, firstOut, secondIn, secondOut, received];
    const balanced = steps.every((step, i) =>
      i === 0 || (tunnel === "exact" ? step === steps[i - 1] : step <= steps[i - 1])
    );
    if (!balanced) wrong.push(`Bytes ${direction} of "${tunnel}" do not balance: ${steps.join(", ")}`);
  }
  for (const tunnel of TUNNELS) {
    for (const [name, counts] of Object.entries(counted[tunnel])) {
      const ends = counts.sessionsEnded + counts.sessionsReset + counts.sessionsRefused;
      if (counts.sessionsOpened !== ends) {
        wrong.push(`The ${name} opened ${counts.sessionsOpened} sessions of "${tunnel}", and ${ends} ended`);
      }
    }
  }
  return [...wrong, ...exactSessions(ledger, counted.exact), ...otherSessions(ledger, counted)];
}

/** A visit that is whole is one session, on both sides. */
function exactSessions(
  { outcomes: { whole }, services, blank }: Ledger,
  { server, client }: Counted["exact"],
): string[] {
  const wrong: string[] = [];
  const expect = (what: string, is: number, expected: number) => {
    if (is !== expected) wrong.push(`${what}: ${is}, not ${expected}`);
  };
  expect('Sessions of "exact" opened at the server', server.sessionsOpened, whole);
  expect('Sessions of "exact" ended at the server', server.sessionsEnded, whole);
  expect('Sessions of "exact" ended at the client', client.sessionsEnded, whole);
  expect('Connections of "exact" at the service', services.exact.conns, whole);
  // one whose ProxyConn was dead has begun again on another one, and may have been seen by the client all the same
  expect('Sessions of "exact" refused', server.sessionsRefused + client.sessionsRefused, 0);
  if (blank > client.sessionsReset) {
    wrong.push(`The exact service got ${blank} resets, and the client counted ${client.sessionsReset}`);
  }
  return wrong;
}

function otherSessions({ visitors }: Ledger, counted: Counted): string[] {
  const wrong: string[] = [];
  for (const tunnel of TUNNELS) {
    const { sessionsOpened } = counted[tunnel].server;
    if (tunnel !== "exact" && sessionsOpened > visitors[tunnel].conns) {
      wrong.push(`"${tunnel}" had ${visitors[tunnel].conns} visits and ${sessionsOpened} sessions`);
    }
  }
  const { sessionsOpened, sessionsRefused } = counted.nobody.server;
  if (sessionsRefused !== sessionsOpened) {
    wrong.push(`${sessionsOpened} sessions to a LocalServer that is not there, and ${sessionsRefused} refused`);
  }
  return wrong;
}
