import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Epoll, Poller } from "../ffi/epoll.ts";
import { checked } from "../ffi/errno.ts";
import { accept, congestionControl, connect, listenOn, localAddress, openSocket } from "../ffi/socket.ts";
import { Family, internetAddress } from "../ffi/socket_address.ts";
import { paceFromAfar, unpace } from "../core/relay/pacing.ts";
import { assertEquals } from "./support/assert.ts";
import { startFarPair } from "./support/far_pair.ts";
import { ignoreWithoutNetworks } from "./support/network.ts";
import { ignoreWithout } from "./support/tools.ts";

/** What this host gives to its connections. */
function usual(): string {
  const fd = checked(openSocket(Family.INET), "socket", "asking") as Descriptor;
  const name = congestionControl(fd);
  close(fd);
  return name;
}

const USUAL = usual();
const UNPACED = USUAL.startsWith("bbr") ? "reno" : USUAL;

/** The congestion control of a connection accepted from an unpaced listener at `host`, made from that address. */
function accepted(host: string): string {
  const listener = checked(listenOn(internetAddress(host, 0)!), "listen", host) as Descriptor;
  unpace(listener);
  const address = localAddress(listener)!;
  const client = checked(openSocket(address.family), "socket", host) as Descriptor;
  connect(client, address);
  const poller = new Poller(1);
  poller.add(listener, Epoll.IN, 0);
  poller.wait(5000);
  const server = checked(accept(listener), "accept", host) as Descriptor;
  paceFromAfar(server);
  const name = congestionControl(server);
  for (const fd of [server, client, listener]) close(fd);
  poller.close();
  return name;
}

Deno.test("a connection that is accepted from this host is not paced", () => {
  assertEquals(accepted("127.0.0.1"), UNPACED);
});

Deno.test("a connection to be made within this host is not paced", () => {
  const fd = checked(openSocket(Family.INET), "socket", "trying") as Descriptor;
  unpace(fd);
  assertEquals(congestionControl(fd), UNPACED);
  close(fd);
});

Deno.test({
  name: "connections between two hosts have their own congestion control at both ends, those within one are not paced",
  ignore: ignoreWithoutNetworks() || ignoreWithout("ss"),
  async fn() {
    await using pair = await startFarPair();
    const visitor = await pair.connect(pair.addresses[0]);
    const service = await pair.listener.accept();
    /** The congestion controls of the established connections of a host that ss(8) finds by `filter`. */
    const found = async (side: "client" | "server", ...filter: string[]) => {
      const flags = ["--oneline", "--no-header", "--tcp", "--numeric", "--info", "state", "established"];
      const lines = (await pair.network[side].tool("ss", [...flags, ...filter])).trim().split("\n");
      return [...new Set(lines.map((line) => /\b(\w+) wscale/.exec(line)?.[1]))];
    };
    assertEquals(await found("server", `sport = :${pair.proxyPort}`), [USUAL]);
    assertEquals(await found("client", `dport = :${pair.proxyPort}`), [USUAL]);
    const local = (service.remoteAddr as Deno.NetAddr).port;
    assertEquals(await found("client", `sport = :${local}`), [UNPACED]);
    const near = (visitor.localAddr as Deno.NetAddr).port;
    assertEquals(await found("server", `dport = :${near}`), [UNPACED]);
    service.close();
    visitor.close();
  },
});
