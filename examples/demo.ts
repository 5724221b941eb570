// What `make demo` shows: pages and 256 MiB in both directions through two tunnels between the real programs, all on this
// machine, compared by SHA-256. It exits with 0 if everything arrived as it was sent.

import { payloadSha256 } from "../tests/support/payload.ts";
import { FROM_SOURCE, Tunnels } from "../tests/support/tunnels.ts";
import { download, fetchPage, startWebServer, type Transfer, upload } from "../tests/support/web_server.ts";

const FILE_BYTES = 256 * 1024 * 1024;
/** The transfers take a few seconds; a tunnel that hangs must not keep the demo for ever. */
const LIMIT_MS = 120_000;

/** One line of the table: the transfer, the tunnel it went through, and whether what arrived is what was sent. */
interface Row extends Transfer {
  what: string;
  tunnel: string;
  equal: boolean;
}

/** Moves pages and files through the tunnels `pages` and `files`, whose public addresses are given. */
async function move(addresses: ReadonlyMap<string, string>, origin: string, signal: AbortSignal): Promise<Row[]> {
  const through = (tunnel: string) => addresses.get(tunnel) ?? "";
  const file = async (what: string, tunnel: string, seed: number, transfer: typeof download): Promise<Row> => {
    const expected = payloadSha256(seed, FILE_BYTES);
    const done = await transfer(through(tunnel), seed, FILE_BYTES, signal);
    return { ...done, what, tunnel, equal: done.bytes === FILE_BYTES && done.sha256 === expected };
  };
  const expected = await fetchPage(origin, signal);
  const page = await fetchPage(through("pages"), signal);
  return [
    { ...page, what: "page", tunnel: "pages", equal: page.bytes > 0 && page.sha256 === expected.sha256 },
    await file("download", "pages", 1, download),
    await file("upload", "files", 2, upload),
    ...await Promise.all([
      file("download, and at once", "files", 3, download),
      file("upload", "pages", 4, upload),
    ]),
  ];
}

/** Shows the rows as a table. */
function printTable(rows: readonly Row[]): void {
  const cells = rows.map(({ what, tunnel, bytes, seconds, equal, sha256 }) => [
    what,
    tunnel,
    bytes.toLocaleString("en"),
    seconds.toFixed(3),
    bytes < FILE_BYTES ? "-" : (bytes * 8 / seconds / 1e9).toFixed(2), // a page is too short to tell a speed
    `${sha256.slice(0, 12)}... ${equal ? "equal" : "DIFFERENT"}`,
  ]);
  const table = [["what", "tunnel", "bytes", "seconds", "Gbit/s", "SHA-256"], ...cells];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table) {
    console.log(
      row.map((cell, i) => i >= 2 && i <= 4 ? cell.padStart(widths[i]) : cell.padEnd(widths[i])).join("  ").trimEnd(),
    );
  }
}

/** Starts everything, moves the files, and stops everything whatever happens. */
async function demo(signal: AbortSignal): Promise<Row[]> {
  await using stack = new AsyncDisposableStack();
  const [pages, files] = [startWebServer("pages"), startWebServer("files")];
  stack.defer(() => pages.close());
  stack.defer(() => files.close());

  const tunnels = stack.use(
    await Tunnels.start(FROM_SOURCE, { pages: pages.address, files: files.address }),
  );
  signal.throwIfAborted();
  for (const [name, address] of tunnels.public) console.log(`Tunnel ${name} is open to the public at ${address}`);
  console.log("Moving a page, and files of 256 MiB in both directions\n");
  try {
    const rows = await move(tunnels.public, pages.address, signal);
    await tunnels.stop();
    return rows;
  } catch (error) {
    if (!signal.aborted) {
      for (const { name, output } of [tunnels.server, tunnels.client]) console.error(`The ${name} wrote:\n${output}\n`);
    }
    throw error;
  }
}

const stop = new AbortController();
const interrupted = (signal: string) => () => stop.abort(new Error(`Stopped by ${signal}`));
Deno.addSignalListener("SIGINT", interrupted("SIGINT"));
Deno.addSignalListener("SIGTERM", interrupted("SIGTERM"));
const timer = setTimeout(() => stop.abort(new Error(`Not finished after ${LIMIT_MS / 1000} s`)), LIMIT_MS);
let code = 1;
try {
  const rows = await demo(stop.signal);
  printTable(rows);
  const wrong = rows.filter(({ equal }) => !equal).length;
  if (wrong === 0) code = 0;
  else console.error(`\nThe demo failed: ${wrong} of ${rows.length} transfers did not arrive as they were sent`);
} catch (error) {
  console.error(`The demo failed: ${error instanceof Error ? error.message : error}`);
}
clearTimeout(timer);
Deno.exit(code);
