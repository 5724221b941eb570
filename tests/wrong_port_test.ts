// A client that is pointed at something that is no ctl_port: it says so, and what it met.

import { strangeServer } from "../core/client/control/strange_server.ts";
import { assertEquals } from "./support/assert.ts";
import { startClient, startServer } from "./support/starts.ts";

/** What the client at `port` says of why it is not connected. */
async function saidOf(port: number): Promise<string> {
  await using client = startClient(port, ["--local_server=127.0.0.1:1"]);
  return (await client.line(/Not connected to the server .*reason="(.*?)"/, 15_000))[1];
}

/** A server that answers every connection with these bytes, or closes it without a word. */
function stranger(answer: string | null): Deno.TcpListener {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  void (async () => {
    for await (const conn of listener) {
      const asked = conn.read(new Uint8Array(1000)).catch(() => {});
      if (answer !== null) await conn.write(new TextEncoder().encode(answer)).catch(() => {});
      void asked.finally(() => conn.close());
    }
  })();
  return listener;
}

const ANSWERS: Record<string, string | null> = {
  "an SSH server answers": "SSH-2.0-OpenSSH_9.9\r\n",
  "a web server answers": "HTTP/1.1 400 Bad Request\r\n\r\n",
  "something else answers": "-ERR unknown command\r\n",
};

for (const [what, answer] of Object.entries(ANSWERS)) {
  Deno.test(`a client says that ${what}`, { sanitizeOps: false, sanitizeResources: false }, async () => {
    using listener = stranger(answer);
    const { port } = listener.addr;
    assertEquals(await saidOf(port), `127.0.0.1:${port} is no ctl_port of a CProxy server: ${what}`);
  });
}

Deno.test(
  "a client says that a port closes without a word",
  { sanitizeOps: false, sanitizeResources: false },
  async () => {
    using listener = stranger(null);
    const { port } = listener.addr;
    const reason = "gives no answer (closed by the peer); is it the ctl_port of a CProxy server?";
    assertEquals(await saidOf(port), `127.0.0.1:${port} ${reason}`);
  },
);

Deno.test("a client is told by the server that it has come to the proxy_port", async () => {
  await using server = await startServer();
  assertEquals(await saidOf(server.proxyPort), "This is the proxy_port of a CProxy server, and not its ctl_port");
});

Deno.test("a server of another version is no stranger", () => {
  const said = (bytes: number[]) => strangeServer("a:1", new Uint8Array(bytes), "why");
  assertEquals(said([0, 0, 0, 90, 2, 123]), "why");
  assertEquals(said([21, 3, 1, 0, 2]), "a:1 is no ctl_port of a CProxy server: a TLS server answers");
  assertEquals(said([]), "a:1 gives no answer (why); is it the ctl_port of a CProxy server?");
});
