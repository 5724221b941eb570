// Bulk data by iperf3: a server at the service's port, a client at the public one. It knows no contender.

import { Program } from "../../tests/support/program.ts";
import { runTool, toolPath } from "../../tests/support/tools.ts";

/** What iperf3 is asked for. */
export interface BulkLoad {
  /** Where the service is to listen, and where the public reaches it. */
  readonly servicePort: number;
  readonly publicPort: number;
  /** The number of connections at a time. */
  readonly streams: number;
  /** `down` is from the service to the public, `up` the other way. */
  readonly direction: "down" | "up";
  /** How long, in whole seconds, or how much. */
  readonly amount: { readonly seconds: number } | { readonly bytes: number };
}

/** What arrived. */
export interface BulkResult {
  readonly bytes: number;
  readonly bitsPerSecond: number;
}

interface Report {
  error?: string;
  end: { sum_received: { bytes: number; bits_per_second: number } };
}

/** Time for a load to begin and to end, over its own length. */
const MARGIN_MS = 15_000;
/** A limit for a number of bytes, whatever the speed. */
const BYTES_LIMIT_MS = 60_000;

/**
 * Moves bulk data from end to end; what counts is what was received.
 *
 * @throws {Error} If a stream breaks, or it takes too long.
 */
export async function moveBulk(load: BulkLoad): Promise<BulkResult> {
  const { servicePort, publicPort, streams, direction, amount } = load;
  // One server for each run: a run that broke off leaves iperf3's server waiting for its end.
  const port = String(servicePort);
  const options = ["-s", "-1", "-B", "127.0.0.1", "-p", port, "--forceflush"];
  await using server = new Program("iperf3 server", [toolPath("iperf3"), ...options]);
  await server.line(/Server listening/);
  const length = "seconds" in amount
    ? ["-t", String(amount.seconds)]
    : ["-n", String(Math.ceil(amount.bytes / streams))];
  const limit = "seconds" in amount ? amount.seconds * 1000 + MARGIN_MS : BYTES_LIMIT_MS;
  const args = ["-c", "127.0.0.1", "-p", String(publicPort), "-P", String(streams), ...length, "-J"];
  if (direction === "down") args.push("-R");
  const report = JSON.parse(await runTool("iperf3", args, limit)) as Report;
  if (report.error !== undefined) throw new Error(`iperf3 says: ${report.error}`);
  const { bytes, bits_per_second } = report.end.sum_received;
  if (!(bytes > 0)) throw new Error("Nothing arrived");
  return { bytes, bitsPerSecond: bits_per_second };
}
