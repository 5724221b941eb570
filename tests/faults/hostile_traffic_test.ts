// What comes to every public address: scanners, browsers, TLS, noise, and connections that send a byte now and then. All of
// it at once on both ports of the server, while a tunnel works.

import { send } from "../../ffi/socket.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { noise } from "../support/bytes.ts";
import { connectTo, listenLocally, readExactly, soon, writeAll } from "../support/conns.ts";
import { connectCrowd } from "../support/crowd.ts";
import { holdingsAfterStart, idleAgain } from "../support/holdings.ts";
import { ignoreWithout, toolPath } from "../support/tools.ts";
import { publicAddress, type Server, startClient, startServer } from "../support/starts.ts";
import { Traffic } from "../support/traffic.ts";
import { startTransferService } from "../support/transfers.ts";

const TRANSFER_BYTES = 2 << 20;
/** Ms for the whole of it; the scanner takes most. */
const PATIENCE_MS = 30_000;
/** Lines that the server may write about all of it. */
const MOST_LINES = 60;

/** Runs a tool that is not expected to succeed. */
async function run(name: string, ...args: string[]): Promise<string> {
  const command = new Deno.Command(toolPath(name), {
    args,
    stdin: "null",
    stderr: "null",
    signal: AbortSignal.timeout(PATIENCE_MS),
  });
  return new TextDecoder().decode((await command.output()).stdout);
}

/** Looks for what listens there, and what version it is. */
async function scan({ ctlPort, proxyPort }: Server): Promise<void> {
  const ports = ["-p", `${ctlPort},${proxyPort}`];
  const found = await run(
    "nmap",
    "-n",
    "-Pn",
    "-sT",
    "-sV",
    "--version-light",
    "--max-retries=1",
    ...ports,
    "127.0.0.1",
  );
  for (const port of [ctlPort, proxyPort]) assert(new RegExp(`^${port}/tcp +open`, "m").test(found), found);
}

/** An HTTP request, and a TLS client hello. */
async function browse(port: number): Promise<void> {
  await run("curl", "--silent", "--max-time", "10", `http://127.0.0.1:${port}/`);
  await run("timeout", "10", toolPath("openssl"), "s_client", "-connect", `127.0.0.1:${port}`);
}

/** Random bytes, on so many connections, each of which is to end. */
async function makeNoise(port: number, connections: number): Promise<void> {
  for (let seed = 0; seed < connections; seed++) {
    using conn = await connectTo(`127.0.0.1:${port}`);
    try {
      // lengths from a few bytes to more than anybody reads
      await writeAll(conn, noise(seed, 4 + (seed * 1999) % 40_000));
      await conn.closeWrite();
      while (await conn.read(new Uint8Array(4096)) !== null);
    } catch (error) {
      if (!(error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe)) throw error;
    }
  }
}

/** Connections that send a frame's first bytes, one after the other and slowly; how many the server has ended. */
async function sendSlowly(port: number, connections: number): Promise<number> {
  const peers = await connectCrowd(`127.0.0.1:${port}`, connections);
  // what looks like a frame that may be sent, or like a preamble
  const bytes = Uint8Array.of(0, 0, 3, 0, 1, 0x7b, ...new Uint8Array(200).fill(0x20));
  let ended = 0;
  try {
    for (let i = 0; i < bytes.length && ended < connections; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      for (const peer of peers) {
        // the server may end it meanwhile
        if (peer.read().state === "open") send(peer.fd, bytes.subarray(i, i + 1));
      }
      ended = peers.filter((peer) => peer.state !== "open").length;
    }
  } finally {
    for (const peer of peers) peer.close();
  }
  return ended;
}

/** Short connections, one after the other until it is told to stop; how many there were. None may fail. */
class Visits {
  #stopped = false;
  readonly #running: Promise<number>;

  constructor(address: string) {
    this.#running = this.#run(address);
    this.#running.catch(() => {});
  }

  async #run(address: string): Promise<number> {
    let count = 0;
    for (; !this.#stopped; count++) {
      using conn = await connectTo(address);
      const bytes = noise(count, 100);
      await writeAll(conn, bytes);
      assertEquals(await soon(`echo number ${count}`, readExactly(conn, bytes.length)), bytes);
    }
    return count;
  }

  stop(): Promise<number> {
    this.#stopped = true;
    return this.#running;
  }
}

/** Sends back what it reads. */
function startEcho(): Deno.TcpListener {
  const listener = listenLocally();
  void (async () => {
    for await (const conn of listener) conn.readable.pipeTo(conn.writable).catch(() => {});
  })();
  return listener;
}

Deno.test({
  name: "a scanner, browsers, TLS, noise and slow senders on both ports disturb nobody, and leave nothing",
  ignore: ignoreWithout("nmap", "curl", "openssl"),
  async fn() {
    const token = { CPROXY_TOKEN: crypto.randomUUID() };
    using echo = startEcho();
    await using transfers = startTransferService(TRANSFER_BYTES);
    await using server = await startServer([], token);
    const client = (local: string) => startClient(server.ctlPort, [`--local_server=${local}`], token);
    await using one = client(transfers.address);
    await using other = client(`127.0.0.1:${echo.addr.port}`);
    const [transfersAt, echoAt] = [await publicAddress(one), await publicAddress(other)];
    const idle = await holdingsAfterStart(server.program);
    const traffic = new Traffic(transfersAt, TRANSFER_BYTES);
    const visits = new Visits(echoAt);

    const hostile = [server.ctlPort, server.proxyPort].flatMap((port) => [
      browse(port),
      makeNoise(port, 200),
      sendSlowly(port, 100).then((ended) => assertEquals(ended, 100)),
    ]);
    await Promise.all([scan(server), ...hostile]);

    const [transferred, visited] = [await traffic.stop(), await visits.stop()];
    assert(transferred > 20 && visited > 200, `${transferred} transfers and ${visited} visits`);
    for (const program of [one, other]) assert(!program.output.includes("WARN"), program.output);
    const lines = server.program.output.split("\n");
    assert(lines.length < MOST_LINES, `The server wrote ${lines.length} lines, the last of them:\n${lines.at(-1)}`);
    await idleAgain(server.program, idle);
  },
});
