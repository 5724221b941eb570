// The LocalServers: one that checks every byte, one that breaks off, and one that never answers. Behind the tunnel "nobody"
// there is none.

import { acceptFrom, addressOf, listenLocally } from "../support/conns.ts";
import { count, type Ledger } from "./ledger.ts";
import { isBroken, Line, pause, sha256Of } from "./line.ts";
import { decodePlan, type Plan, PLAN_BYTES, type TunnelName } from "./plan.ts";

/** A running LocalServer. */
export interface Service extends AsyncDisposable {
  readonly address: string;
  /** Connections that have not ended. */
  readonly open: number;
}

/**
 * Starts the service behind a tunnel.
 *
 * @param ledger Where a connection that comes now is counted.
 */
export function startService(name: Exclude<TunnelName, "nobody">, ledger: () => Ledger): Service {
  const listener = listenLocally();
  let open = 0;
  let serving = true;
  const accepting = (async () => {
    while (serving) {
      let conn: Deno.TcpConn;
      try {
        conn = await acceptFrom(listener);
      } catch (error) {
        if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return;
        throw error;
      }
      open++;
      void serve(name, new Line(conn), ledger()).finally(() => open--);
    }
  })();
  return {
    address: addressOf(listener),
    get open() {
      return open;
    },
    async [Symbol.asyncDispose]() {
      serving = false;
      listener.close();
      await accepting;
    },
  };
}

async function serve(name: Exclude<TunnelName, "nobody">, line: Line, ledger: Ledger): Promise<void> {
  let plan: Plan | null = null;
  try {
    const header = await line.readExactly(PLAN_BYTES);
    if (header !== null) {
      plan = decodePlan(header);
      await play(plan, line);
    } else if (name === "exact") {
      if (!ledger.lethal) {
        ledger.wrong.push("The exact service got a connection that ended in order before its first byte");
      }
    }
  } catch (error) {
    if (name === "exact") judge(error, plan, line, ledger);
    else if (!isBroken(error)) ledger.wrong.push(`The ${name} service: ${error}`);
  } finally {
    line.close();
    if (line.received > 0 || name !== "exact") count(ledger.services[name], line);
  }
}

/** What an error means to the service that checks every byte. */
function judge(error: unknown, plan: Plan | null, line: Line, ledger: Ledger): void {
  if (isBroken(error)) {
    if (line.received === 0) ledger.blank++;
    else if (!ledger.lethal) ledger.wrong.push(`A session was cut off at the service: ${tell(plan, line)}`);
    return;
  }
  ledger.wrong.push(`The exact service: ${(error as Error).message}; ${tell(plan, line)}`);
}

function tell(plan: Plan | null, { sent, received }: Line): string {
  return `${JSON.stringify(plan)}, it had received ${received} and sent ${sent} bytes`;
}

async function play(plan: Plan, line: Line): Promise<void> {
  const { kind, seed, up, down, pauseMs, slow, breakAt } = plan;
  const slowMs = slow === "service" ? pauseMs : 0;
  switch (kind) {
    case "exchange":
      return void await Promise.all([line.writeLast(seed + 1, down), expect(line, seed, up, slowMs)]);
    case "uploadFirst":
      await expect(line, seed, up, slowMs);
      return await line.writeLast(seed + 1, down);
    case "downloadFirst":
      await line.writeLast(seed + 1, down);
      return await expect(line, seed, up, slowMs);
    case "talk":
      for (let i = 0; i < down; i++) {
        const message = await line.readExactly(up);
        if (message === null) throw new Error(`The talk ended in order after ${i} of ${down} messages`);
        await line.write(message);
      }
      await expect(line, seed, 0, 0);
      return await line.finish();
    case "visitorResets":
    case "visitorLeaves":
      return void await Promise.all([line.writeLast(seed + 1, down), line.readToEnd(slowMs)]);
    case "serviceResets":
    case "serviceLeaves": {
      const writing = line.writePayload(seed + 1, down).catch(() => {});
      await line.readToEnd(slowMs, breakAt);
      if (kind === "serviceResets") line.reset();
      else line.close();
      return await writing;
    }
    case "visitorEnds":
    case "visitorCuts":
      return void await line.readToEnd();
    case "serviceWalksOff":
      return await pause(pauseMs);
    default:
      return kind satisfies never;
  }
}

/** Reads to the end of the stream, which must be the payload. */
export async function expect(line: Line, seed: number, bytes: number, pauseMs: number): Promise<void> {
  const read = await line.readToEnd(pauseMs);
  if (read.bytes !== bytes) throw new Error(`The stream ended in order after ${read.bytes} of ${bytes} bytes`);
  if (bytes > 0 && read.sha256 !== sha256Of(seed, bytes)) {
    throw new Error(`${bytes} bytes came that are not those sent`);
  }
}
