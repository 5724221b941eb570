// The PublicClients: one visit, from connecting to its end, and what it means how that went.

import { connectTo, soon } from "../support/conns.ts";
import { noise } from "../support/bytes.ts";
import { count, type Ledger, type Outcome } from "./ledger.ts";
import { isBroken, Line, pause } from "./line.ts";
import { encodePlan, type Plan, type TunnelName } from "./plan.ts";
import { expect } from "./services.ts";

/** Ms that a visit may take beyond what it means to. */
const PATIENCE_MS = 40_000;

/** A visit that neither ends nor fails: what the long haul is there to find. */
export class Stuck extends Error {}

/**
 * Makes one visit through a public port.
 *
 * @returns Whether anybody listened.
 * @throws {Stuck} If it takes far longer than it means to.
 */
export async function visit(name: TunnelName, address: string, plan: Plan, ledger: Ledger): Promise<boolean> {
  let conn: Deno.TcpConn;
  try {
    conn = await connectTo(address);
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    if (!isBroken(error)) throw error;
    // it was reset before Deno could tell that it was connected
    if (name === "exact") ledger.outcomes.turnedAway++;
    else count(ledger.visitors[name], { sent: 0, received: 0 });
    return true;
  }
  const line = new Line(conn);
  const meant = plan.kind === "talk" ? plan.pauseMs * plan.down : 0;
  try {
    const playing = play(name, plan, line);
    await soon(`${name} ${JSON.stringify(plan)}`, playing, meant + PATIENCE_MS).catch((error) => {
      if (!/^Waited/.test(error.message)) throw error;
      throw new Stuck(`${error.message}; the visitor had sent ${line.sent} and received ${line.received} bytes`);
    });
    if (name === "exact") note("whole", line, ledger);
    else count(ledger.visitors[name], line);
  } catch (error) {
    if (error instanceof Stuck) throw error;
    if (name === "exact") judge(error, plan, line, ledger);
    else if (isBroken(error) || name === "rough") count(ledger.visitors[name], line);
    else ledger.wrong.push(`A visitor of "${name}": ${error}`);
  } finally {
    line.close();
  }
  return true;
}

function note(outcome: Outcome, line: Line, ledger: Ledger): void {
  ledger.outcomes[outcome]++;
  // whoever is turned away has no session, and nobody else counts its bytes
  if (outcome !== "turnedAway") count(ledger.visitors.exact, line);
}

/**
 * What an error means to a visitor that checks every byte. Without a byte received it was turned away, as long as no
 * session was opened for it: the programs' counters tell.
 */
function judge(error: unknown, plan: Plan, line: Line, ledger: Ledger): void {
  if (line.received === 0 && isBroken(error)) return note("turnedAway", line, ledger);
  if (isBroken(error) && ledger.lethal) return note("cutOff", line, ledger);
  const { sent, received } = line;
  const what = `${JSON.stringify(plan)}, it had sent ${sent} and received ${received} bytes`;
  ledger.wrong.push(`A visitor: ${(error as Error).message}; ${what}`);
}

async function play(name: TunnelName, plan: Plan, line: Line): Promise<void> {
  const { kind, seed, up, down, pauseMs, slow, breakAt } = plan;
  const slowMs = slow === "visitor" ? pauseMs : 0;
  if (name === "nobody") {
    const { bytes } = await line.readToEnd();
    throw new Error(`The answer of nobody ended in order after ${bytes} bytes`);
  }
  await line.write(encodePlan(plan));
  switch (kind) {
    case "exchange":
    case "uploadFirst":
      return void await both(line.writeLast(seed, up), expect(line, seed + 1, down, slowMs));
    case "downloadFirst":
      await expect(line, seed + 1, down, slowMs);
      return await line.writeLast(seed, up);
    case "talk":
      return await talk(line, plan);
    case "visitorResets":
    case "visitorLeaves": {
      const writing = line.writePayload(seed, up).catch(() => {});
      await line.readToEnd(slowMs, breakAt);
      if (kind === "visitorResets") line.reset();
      else line.close();
      return await writing;
    }
    case "serviceResets":
    case "serviceLeaves":
      return void await both(line.writeLast(seed, up), line.readToEnd(slowMs));
    case "visitorEnds":
      await line.writeLast(seed, up);
      return void await line.readToEnd();
    case "visitorCuts": {
      const writing = line.writePayload(seed, up).catch(() => {});
      await pause(pauseMs);
      line.reset();
      return await writing;
    }
    case "serviceWalksOff":
      return void await both(line.writePayload(seed, up), line.readToEnd());
    default:
      return kind satisfies never;
  }
}

/**
 * Waits for both directions, also when one fails; then that error is thrown, the reader's before the writer's. But the
 * kernel tells a reset once: when a write has heard of it, a reader to whom nothing came reads an end in order.
 */
async function both(writing: Promise<unknown>, reading: Promise<unknown>): Promise<void> {
  const [written, read] = await Promise.allSettled([writing, reading]);
  const cameTooLate = read.status === "rejected" && /ended in order after 0 of/.test(read.reason.message);
  if (cameTooLate && written.status === "rejected") throw written.reason;
  for (const result of [read, written]) if (result.status === "rejected") throw result.reason;
}

async function talk(line: Line, { seed, up, down, pauseMs }: Plan): Promise<void> {
  const message = noise(seed, up);
  for (let i = 0; i < down; i++) {
    if (pauseMs > 0) await pause(pauseMs);
    message[0] = i;
    await line.write(message);
    const echo = await line.readExactly(up);
    if (echo === null) throw new Error(`The stream ended in order after ${i === 0 ? 0 : i * up} of ${down * up} bytes`);
    if (echo.some((byte, at) => byte !== message[at])) throw new Error(`Message ${i} came back as another one`);
  }
  await line.finish();
  const { bytes } = await line.readToEnd();
  if (bytes > 0) throw new Error(`${bytes} bytes too many came back`);
}
