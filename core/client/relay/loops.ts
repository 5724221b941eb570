// Tells a tunnel whose LocalServer is its own public port, also by way of other tunnels of this client, by the address:
// it is the server's, or any of this host where the server is on this host too and the port open everywhere. Which
// addresses this host has shows only when a connection to one of them has begun: such LocalConns are kept in a table, and
// a visitor that is one of them, as the server says, is one deeper than the session that made it.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { findLocalAddress, lastPort, readLastIp } from "../../../ffi/socket.ts";
import { Family, IP_WORDS, isLoopback, portOf, readIp, type SocketAddress } from "../../../ffi/socket_address.ts";
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
  /** Whether it is open at every address of this host. */
  readonly onThisHost: boolean;
  /** The one address of this host at which it is open, if that is known. */
  readonly bound: readonly number[] | null;
}

/** One relay Worker's view. One thread. */
export class Loops {
  readonly #table: LoopTable;
  readonly #targets: LoopTargets;
  readonly #ports = new Map<number, PublicPort>();
  readonly #portOf = new Map<TunnelNo, number>();
  readonly #server = new Int32Array(IP_WORDS);
  readonly #ip = new Int32Array(IP_WORDS);
  readonly #peer = new Int32Array(IP_WORDS);

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
  onPort({ tunnel, port, here, onThisHost, bound }: TunnelPortRecord): void {
    this.#ports.delete(this.#portOf.get(tunnel) ?? 0);
    this.#portOf.delete(tunnel);
    if (port === 0) return;
    this.#ports.set(port, { tunnel, here, onThisHost, bound });
    this.#portOf.set(tunnel, port);
  }

  /** The depth of a session whose visitor has that hash; at {@linkcode MOST_DEPTH} it is a loop. */
  depthOf(visitor: number): number {
    return visitor === 0 ? 0 : this.#table.depthOf(visitor);
  }

  /** A LocalConn to that address is about to begin; {@linkcode onConnected} follows at once. */
  onConnecting(address: SocketAddress): void {
    if (this.#mayBeHop(address)) this.#table.expect();
  }

  /**
   * A LocalConn has begun, or failed at once.
   *
   * @param address Where it goes.
   * @param fd Its socket, or null.
   * @param depth Of its session.
   */
  onConnected(address: SocketAddress, fd: Descriptor | null, depth: number): void {
    if (!this.#mayBeHop(address)) return;
    if (fd !== null && findLocalAddress(fd)) {
      readLastIp(this.#ip);
      readIp(address.bytes, this.#peer);
      // from an address to itself: it is one of this host, and what listens there on that port is the server
      if (isSame(this.#ip, this.#peer)) {
        this.#table.add(visitorHash(this.#ip, lastPort(), portOf(address)), depth);
      }
    }
    this.#table.settle();
  }

  #mayBeHop(address: SocketAddress): boolean {
    return this.#ports.get(portOf(address))?.onThisHost === true;
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

  /** The target of the tunnel whose public port that is, if the address is the server's for certain. */
  #targetBehind(address: SocketAddress): LocalTarget | null {
    const port = this.#ports.get(portOf(address));
    if (port === undefined || address.family === Family.UNIX) return null;
    readIp(address.bytes, this.#ip);
    const isServers = (port.here && isSame(this.#ip, this.#server)) ||
      (port.onThisHost && isLoopback(address)) ||
      (port.bound !== null && isSame(this.#ip, port.bound));
    return isServers ? this.#targets.at(port.tunnel - 1) : null;
  }
}

function isSame(ip: Int32Array, other: ArrayLike<number>): boolean {
  return ip.every((word, at) => word === other[at]);
}
