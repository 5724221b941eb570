import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Epoll, Poller } from "../ffi/epoll.ts";
import { checked } from "../ffi/errno.ts";
import { accept, congestionControl, connect, listenOn, localAddress, openSocket } from "../ffi/socket.ts";
import { Family, internetAddress } from "../ffi/socket_address.ts";
import { paceFromAfar, unpace } from "../core/relay/pacing.ts";
import { assertEquals } from "./support/assert.ts";

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

Deno.test("a connection that is accepted from another address has the host's own congestion control", () => {
  const outside = Deno.networkInterfaces().find((one) => one.family === "IPv4" && !one.address.startsWith("127."));
  if (outside !== undefined) assertEquals(accepted(outside.address), USUAL);
});

Deno.test("a connection to be made within this host is not paced", () => {
  const fd = checked(openSocket(Family.INET), "socket", "trying") as Descriptor;
  unpace(fd);
  assertEquals(congestionControl(fd), UNPACED);
  close(fd);
});
