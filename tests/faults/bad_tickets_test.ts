// Connections to proxy_port whose tickets are wrong: many of them are closed late, and hold up nobody whose ticket is
// right.

import { proxyId } from "../support/ids.ts";
import { encodePreambleAndMeta } from "../../core/protocol/proxy_frame.ts";
import { newTicket } from "../../core/protocol/ticket.ts";
import { assert } from "../support/assert.ts";
import { endingOf, soon, writeAll } from "../support/conns.ts";
import { descriptorsOf, until } from "../support/inspection.ts";
import { type Server, startPair, startServer } from "../support/starts.ts";
import { startTransferService } from "../support/transfers.ts";
import { Traffic } from "../support/traffic.ts";

const TRANSFER_BYTES = 1 << 16;

/** Shows a ticket that nobody has given out: how many ms until the server closes the connection. */
async function guess(proxyPort: number): Promise<number> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxyPort });
  const start = performance.now();
  try {
    await writeAll(conn, encodePreambleAndMeta(0, proxyId(1), newTicket()));
    await soon("the server closes it", endingOf(conn));
    return performance.now() - start;
  } finally {
    conn.close();
  }
}

const socketsOf = ({ program }: Server) => descriptorsOf(program.pid).socket ?? 0;

Deno.test("wrong tickets are closed later and later, the operator is told once, and right ones do not wait", async () => {
  await using transfers = startTransferService(TRANSFER_BYTES);
  await using pair = await startPair(transfers.address);
  const proxyPort = Number(/proxy=\S*:(\d+)/.exec(pair.server.output)![1]);
  const first = await Promise.all(Array.from({ length: 5 }, () => guess(proxyPort)));
  const later = Promise.all(Array.from({ length: 20 }, () => guess(proxyPort)));
  const traffic = new Traffic(pair.address, TRANSFER_BYTES);
  const times = await later;
  const transferred = await traffic.stop();
  assert(Math.max(...first) < 1500, `The first took ${Math.max(...first)} ms`);
  assert(times.filter((ms) => ms > 2500).length >= 10, `The others took ${times.map(Math.round)} ms`);
  assert(transferred > 3, "transfers went on");
  await pair.server.line(/WARN .*wrong tickets come to proxy_port address=127\.0\.0\.1/);
});

Deno.test("a flood of wrong tickets leaves no descriptor behind, and holds no more than strangers may have", async () => {
  await using server = await startServer(["--max_unauthenticated_per_address=20"]);
  const idle = socketsOf(server);
  const all = Promise.all(Array.from({ length: 200 }, () => guess(server.proxyPort)));
  await all;
  assert(socketsOf(server) - idle <= 21, "strangers in excess are closed");
  await until("all are closed", () => socketsOf(server), (sockets) => sockets === idle);
});
