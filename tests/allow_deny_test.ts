// Who may connect to a public port: the lists of a tunnel and those of the server, with connections from several
// addresses of this host.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { checked, Errno, errnoName } from "../ffi/errno.ts";
import { libc } from "../ffi/libc.ts";
import { connect, openSocket, receive } from "../ffi/socket.ts";
import { internetAddress } from "../ffi/socket_address.ts";
import { assertEquals } from "./support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, soon } from "./support/conns.ts";
import { startPair } from "./support/starts.ts";

/** A LocalServer that answers everybody with one byte; `await using` ends it. */
class Service implements AsyncDisposable {
  readonly #listener = listenLocally();
  readonly #served: Promise<void>;
  #open = true;
  /** How many connections came. */
  count = 0;

  constructor() {
    this.#served = this.#serve();
  }

  get address(): string {
    return addressOf(this.#listener);
  }

  async #serve(): Promise<void> {
    for (;;) {
      using conn = await acceptFrom(this.#listener);
      if (!this.#open) return;
      this.count++;
      await conn.write(new Uint8Array([42]));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#open = false;
    (await connectTo(this.address)).close();
    await this.#served;
    this.#listener.close();
  }
}

/** Connects from one address of this host to another, and gives what comes: the bytes, or the name of an errno. */
async function visit(from: string, host: string, port: number): Promise<number[] | string> {
  const [source, target] = [internetAddress(from, 0)!, internetAddress(host, port)!];
  const fd = checked(openSocket(source.family), "socket", "testing") as Descriptor;
  try {
    checked(libc.bind(fd, source.bytes, source.bytes.length), "bind", from);
    const code = connect(fd, target);
    if (code !== -Errno.EINPROGRESS) checked(code, "connect", host);
    const room = new Uint8Array(16);
    for (;;) {
      const count = receive(fd, room);
      if (count >= 0) return [...room.subarray(0, count)];
      if (count !== -Errno.EAGAIN) return errnoName(-count);
      // Deno has no event for a descriptor that it did not open
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  } finally {
    close(fd);
  }
}

Deno.test("a PublicClient is served only if its tunnel's lists and the server's lists admit it", async () => {
  await using service = new Service();
  await using pair = await startPair(service.address, {
    server: ["--bind=0.0.0.0", "--public_allow=127.0.0.0/29", "--public_deny=127.0.0.4"],
    client: ["--allow=127.0.0.1,127.0.0.2/31,127.0.0.4/30,127.0.0.9", "--deny=127.0.0.3"],
  });
  const port = Number(pair.address.split(":")[1]);
  const visits: Record<string, number[] | string> = {};
  for (const last of [1, 2, 3, 4, 5, 8, 9]) {
    visits[last] = await soon(`127.0.0.${last}`, visit(`127.0.0.${last}`, "127.0.0.1", port));
  }
  const [served, refused] = [[42], "ECONNRESET"];
  assertEquals(visits, { 1: served, 2: served, 3: refused, 4: refused, 5: served, 8: refused, 9: refused });
  assertEquals(service.count, 3);

  await Promise.all(Array.from({ length: 50 }, () => visit("127.0.0.3", "127.0.0.1", port)));
  // whoever is refused gets no ProxyConn, no session and no line of a log
  pair.server.kill("SIGUSR2");
  const counters = await pair.server.nextLine(/Counters .*sessionsOpened=(\d+)/);
  assertEquals(counters[1], "3");
  const lines = pair.server.output.split("\n").filter((line) => line.includes("refused by allow or deny"));
  assertEquals(lines.length, 1);
  assertEquals(/port=(\d+) .*peer=127\.0\.0\.3:\d+ refused=1/.exec(lines[0])?.[1], String(port));
});

Deno.test({
  name: "on a server bound to :: an IPv4 PublicClient is looked up among IPv4 ranges, an IPv6 one among IPv6 ranges",
  ignore: !hasIpv6(),
  async fn() {
    await using service = new Service();
    await using pair = await startPair(service.address, {
      server: ["--bind=::"],
      client: ["--allow=127.0.0.1,::/0", "--deny=::2/127"],
    });
    const port = Number(/:(\d+)$/.exec(pair.address)![1]);
    assertEquals(await soon("127.0.0.1", visit("127.0.0.1", "127.0.0.1", port)), [42]);
    assertEquals(await soon("127.0.0.2", visit("127.0.0.2", "127.0.0.1", port)), "ECONNRESET");
    assertEquals(await soon("::1", visit("::1", "::1", port)), [42]);
  },
});

function hasIpv6(): boolean {
  try {
    Deno.listen({ hostname: "::1", port: 0 }).close();
    return true;
  } catch {
    return false;
  }
}
