// A service that answers 413 and closes while the upload still runs, so that a reset comes right behind the answer: how
// often the visitor sees it through the tunnel, through haproxy, and directly.

import { assert } from "../support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon, writeAll } from "../support/conns.ts";
import { freePorts, Program } from "../support/program.ts";
import { startPair } from "../support/starts.ts";
import { ignoreWithout, toolPath } from "../support/tools.ts";

const TRIES = 40;
/** Tries that may go otherwise than directly: which of two is first is not the programs' to say alone. */
const LUCK = 3;
const UPLOAD_BYTES = 20_000_000;
const ANSWER = `HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 2000\r\n\r\n${"x".repeat(2000)}`;

/** Answers every request as soon as its head is there, and closes at once. */
async function answerEarly(listener: Deno.TcpListener): Promise<void> {
  for (;;) {
    let conn: Deno.TcpConn;
    try {
      conn = await acceptFrom(listener);
    } catch {
      return; // closed
    }
    void (async () => {
      await readExactly(conn, 40);
      await writeAll(conn, new TextEncoder().encode(ANSWER));
    })().catch(() => {}).finally(() => conn.close());
  }
}

/** Uploads until that fails, and reads what there is: whether that is the whole answer. */
async function seesAnswer(address: string, expect: string): Promise<boolean> {
  using conn = await connectTo(address);
  const head = `POST / HTTP/1.1\r\nHost: example.net\r\n${expect}Content-Length: ${UPLOAD_BYTES}\r\n\r\n`;
  await writeAll(conn, new TextEncoder().encode(head));
  const chunk = new Uint8Array(65_536);
  try {
    for (let sent = 0; sent < UPLOAD_BYTES; sent += chunk.length) await writeAll(conn, chunk);
  } catch {
    // the service has closed
  }
  let answer = "";
  const room = new Uint8Array(65_536);
  try {
    for (let count = await conn.read(room); count !== null; count = await conn.read(room)) {
      answer += new TextDecoder().decode(room.subarray(0, count));
    }
  } catch {
    // so it goes
  }
  return answer === ANSWER;
}

Deno.test({
  name: "an early answer arrives as often as directly, and as often as through haproxy",
  ignore: ignoreWithout("haproxy"),
  async fn() {
    await using stack = new AsyncDisposableStack();
    const listener = listenLocally();
    const answering = answerEarly(listener);
    const [port] = freePorts(1);
    const config = await Deno.makeTempFile({ prefix: "cproxy-haproxy-", suffix: ".cfg" });
    stack.defer(() => Deno.remove(config));
    const times = "timeout connect 5s\n  timeout client 30s\n  timeout server 30s";
    const listen = `listen answer\n  bind 127.0.0.1:${port}\n  server service ${addressOf(listener)}`;
    await Deno.writeTextFile(config, `global\n  maxconn 100\ndefaults\n  mode tcp\n  ${times}\n${listen}\n`);
    const haproxy = stack.use(new Program("haproxy", [toolPath("haproxy"), "-f", config, "-db"]));
    const pair = stack.use(await startPair(addressOf(listener)));
    await haproxy.listening(port);

    const ways = { direct: addressOf(listener), haproxy: `127.0.0.1:${port}`, cproxy: pair.address };
    for (const expect of ["", "Expect: 100-continue\r\n"]) {
      const seen = { direct: 0, haproxy: 0, cproxy: 0 };
      for (let i = 0; i < TRIES; i++) {
        for (const way of ["direct", "haproxy", "cproxy"] as const) {
          if (await soon(`an upload by ${way}`, seesAnswer(ways[way], expect))) seen[way]++;
        }
      }
      const what = `${expect.trim() || "no Expect"}: of ${TRIES} answers ${JSON.stringify(seen)}`;
      console.log(what);
      assert(seen.cproxy >= Math.max(seen.direct, seen.haproxy) - LUCK, what);
    }
    listener.close();
    await answering;
  },
});
