// Tells a tunnel whose LocalServer is its own public port, also by way of other tunnels of this client. The server says
// of every visitor who it is, and LocalConns to public ports of this client are kept in a table: a visitor that is one
// of them is one deeper than the session that made it. A NAT makes somebody else of them, so the addresses are looked
// at as well.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { findLocalAddress, lastPort, readLastIp } from "../../../ffi/socket.ts";
import { Family, IP_WORDS, portOf, readIp, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { TunnelNo } from "../../protocol/ids.ts";
import { visitorHash } from "../../protocol/visitor_hash.ts";
import type { TunnelPortRecord } from "../../relay/records.ts";
import type { LocalTarget } from "./local_target.ts";
import { type LoopTable, MOST_DEPTH } from "../loop_table.ts";

/** Why nobody is connected to a LocalServer that is the tunnel's own public port. */
export const LOOP_REASON = "it leads back to this tunnel's own public port";

/** Where the targets of other tunnels are found. */
export interface LoopTargets {
  /** The target of the tunnel with that place in the list. */
  at(place: number): LocalTarget;
}

/** A public port of this client. */
interface PublicPort {
  readonly tunnel: TunnelNo;
  /** Whether it is open at the server's address, as this client knows it. */
  readonly here: boolean;
}

/** One relay Worker's view. One thread. */
export class Loops {
  readonly #table: LoopTable;
  readonly #targets: LoopTargets;
  readonly #ports = new Map<number, PublicPort>();
  readonly #portOf = new Map<TunnelNo, number>();
  readonly #server = new Int32Array(IP_WORDS);
  readonly #ip = new Int32Array(IP_WORDS);

  /** Knows no server and no port yet. */
  constructor(table: LoopTable, targets: LoopTargets) {
    this.#table = table;
    this.#targets = targets;
  }

  /** The client is logged in at that address. */
  onUp(server: SocketAddress): void {
    readIp(server.bytes, this.#server);
  }

  /** There is no tunnel any more. */
  onDown(): void {
    this.#ports.clear();
    this.#portOf.clear();
  }

  /** A tunnel has a public port, or has none any more. */
  onPort({ tunnel, port, here }: TunnelPortRecord): void {
    this.#ports.delete(this.#portOf.get(tunnel) ?? 0);
    this.#portOf.delete(tunnel);
    if (port === 0) return;
    this.#ports.set(port, { tunnel, here });
    this.#portOf.set(tunnel, port);
  }

  /** The depth of a session whose visitor has that hash; at {@linkcode MOST_DEPTH} it is a loop. */
  depthOf(visitor: number): number {
    return visitor === 0 ? 0 : this.#table.depthOf(visitor);
  }

  /** A LocalConn to that address is about to begin; {@linkcode onConnected} follows at once. */
  onConnecting(address: SocketAddress): void {
    if (this.#ports.has(portOf(address))) this.#table.expect();
  }

  /**
   * A LocalConn has begun, or failed at once.
   *
   * @param address Where it goes.
   * @param fd Its socket, or null.
   * @param depth Of its session.
   */
  onConnected(address: SocketAddress, fd: Descriptor | null, depth: number): void {
    const port = portOf(address);
    if (!this.#ports.has(port)) return;
    if (fd !== null && findLocalAddress(fd)) {
      readLastIp(this.#ip);
      this.#table.add(visitorHash(this.#ip, lastPort(), port), depth);
    }
    this.#table.settle();
  }

  /** The addresses of a target that do not lead back to the tunnel. */
  usable(target: LocalTarget): readonly SocketAddress[] {
    const { addresses } = target;
    for (let i = 0; i < addresses.length; i++) {
      if (this.#ports.has(portOf(addresses[i]))) {
        return addresses.filter((address) => !this.#leadsBack(target, address));
      }
    }
    return addresses;
  }

  #leadsBack(target: LocalTarget, address: SocketAddress | undefined): boolean {
    for (let depth = 0; depth < MOST_DEPTH; depth++) {
      const next = address === undefined ? null : this.#targetBehind(address);
      if (next === null) return false;
      if (next === target) return true;
      address = next.addresses[0];
    }
    return false;
  }

  /** The target of the tunnel whose public port that is, if the address is the server's. */
  #targetBehind(address: SocketAddress): LocalTarget | null {
    const port = this.#ports.get(portOf(address));
    if (port === undefined || !port.here || address.family === Family.UNIX) return null;
    readIp(address.bytes, this.#ip);
    if (!this.#ip.every((word, at) => word === this.#server[at])) return null;
    return this.#targets.at(port.tunnel - 1);
  }
}
