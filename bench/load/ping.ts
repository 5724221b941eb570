// Runs the ping-pong; see ping_program.ts for what it measures.

const PROGRAM = new URL("./ping_program.ts", import.meta.url).pathname;
const MARGIN_MS = 30_000;

/** Percentiles of the time of a ping, in ms, and how many pings there were. */
export interface PingResult {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/**
 * Pings through `port` for `measureMs`, at most `most` times.
 *
 * @throws {Error} If a ping is lost or the connection breaks.
 */
export async function runPing(port: number, warmUpMs: number, measureMs: number, most: number): Promise<PingResult> {
  const signal = AbortSignal.timeout(warmUpMs + measureMs + MARGIN_MS);
  const args = ["run", "--allow-all", "--quiet", PROGRAM, ...[port, warmUpMs, measureMs, most].map(String)];
  const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args, signal }).output();
  if (success) return JSON.parse(new TextDecoder().decode(stdout));
  throw new Error(`The ping failed: ${lastError(new TextDecoder().decode(stderr))}`);
}

/** The line of an uncaught error without its stack. */
function lastError(text: string): string {
  return /Error: (.*)/.exec(text)?.[1] ?? text.trim();
}
