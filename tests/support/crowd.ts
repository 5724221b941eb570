// Thousands of connections of this process at once, on descriptors of its own: Deno's are too slow to reset, and tell no
// state. It knows nothing of what lies between the two ends.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { checked, Errno } from "../../ffi/errno.ts";
import { accept, connect, openSocket, peerAddress } from "../../ffi/socket.ts";
import { internetAddress, portOf, type SocketAddress } from "../../ffi/socket_address.ts";
import { listenSomewhere, Peer } from "./stage.ts";

/** Ms between two looks: nothing tells Deno of events on these descriptors. */
const LOOK_MS = 5;
/** Ms after which waiting is given up. */
const PATIENCE_MS = 60_000;

/** Looks until something is the case. */
export async function awaited(what: string, done: () => boolean): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  while (!done()) {
    if (performance.now() > deadline) throw new Error(`Not within ${PATIENCE_MS} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** A service of which the test has every connection in hand; `using` closes its listener. */
export class Service implements Disposable {
  /** Where it listens, as `127.0.0.1:port`. */
  readonly address: string;
  readonly #fd: Descriptor;

  /** Listens on a free port, with room for `backlog` connections that wait to be accepted. */
  constructor(backlog = 4096) {
    const { fd, address } = listenSomewhere(backlog);
    this.#fd = fd;
    this.address = `127.0.0.1:${portOf(address)}`;
  }

  /** Accepts one connection if one waits. */
  tryAccept(): Peer | null {
    const fd = accept(this.#fd);
    if (fd === -Errno.EAGAIN || fd === -Errno.ECONNABORTED) return null;
    return new Peer(checked(fd, "accept4", "testing") as Descriptor);
  }

  /** Accepts so many connections. */
  async accept(count: number): Promise<Peer[]> {
    const peers: Peer[] = [];
    await awaited(`${count} connections are accepted at ${this.address}`, () => {
      for (let peer = this.tryAccept(); peer !== null; peer = this.tryAccept()) peers.push(peer);
      return peers.length >= count;
    });
    return peers;
  }

  /** Closes the listener. */
  [Symbol.dispose](): void {
    close(this.#fd);
  }
}

/** Begins so many connections to `127.0.0.1:port`, and waits until all of them stand. */
export async function connectCrowd(address: string, count: number): Promise<Peer[]> {
  const [host, port] = address.split(":");
  const peers = Array.from({ length: count }, () => begin(internetAddress(host, Number(port))!));
  let connected = 0;
  await awaited(`${count} connections to ${address} stand`, () => {
    while (connected < count && peerAddress(peers[connected].fd) !== null) connected++;
    return connected === count;
  });
  return peers;
}

function begin(address: SocketAddress): Peer {
  const fd = checked(openSocket(address.family), "socket", "testing") as Descriptor;
  const code = connect(fd, address);
  if (code !== -Errno.EINPROGRESS) checked(code, "connect", "testing");
  return new Peer(fd);
}
