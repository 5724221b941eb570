// Which tunnel has or wants which public port, and whether the rules of a token let a client have another. It opens none.
import { formatPortRanges, type PortRange } from "../../config/ranges.ts";
import type { Control, Tunnel } from "./control.ts";
import type { Grant } from "../policy/grant.ts";
import { PortHolds } from "../policy/port_holds.ts";

/** Ports of the kernel's choice that a tunnel tries, which others may be kept for. */
const KERNEL_CHOICES = 16;

/** A tunnel and whose it is. */
export interface Held {
  /** The tunnel. */
  readonly tunnel: Tunnel;
  /** Its client. */
  readonly control: Control;
}

/** Why a client may not have a tunnel. */
export interface Refusal {
  /** The rule of its token that says so; empty when that is not why. */
  readonly rule: "" | "ports" | "max_tunnels" | "port_hold";
  /** For people. */
  readonly reason: string;
}

/** See the file's head. One thread. */
export class PublicPorts {
  readonly #tunnels = new Map<number, Held>();
  /** By address and port. */
  readonly #holders = new Map<string, Held>();
  /** How many tunnels each grant has. */
  readonly #counts = new Map<Grant, number>();
  /** Where each grant goes on to look for a port, so that a port that has just been given up is not the next. */
  readonly #nextPorts = new Map<Grant, number>();
  readonly #holds: PortHolds;

  /**
   * Makes it without any tunnel.
   *
   * @param holdMs Ms for which the port of a client that was lost is kept; 0 keeps none.
   * @param now Gives ms.
   */
  constructor(holdMs: number, now: () => number) {
    this.#holds = new PortHolds(holdMs, now);
  }

  /** The tunnel with the server's number `id`. */
  get(id: number): Held | undefined {
    return this.#tunnels.get(id);
  }

  /** All tunnels. */
  values(): Iterable<Held> {
    return this.#tunnels.values();
  }

  /**
   * Why a client may not ask for a port now, or null.
   *
   * @param port The port, or 0 for any.
   */
  refusal(control: Control, port: number): Refusal | null {
    const { grant } = control;
    const { name, ports, maxTunnels } = grant;
    if (port !== 0 && ports !== null && !ports.some(({ low, high }) => port >= low && port <= high)) {
      const reason = `Token "${name}" may use ${shown(ports)}, and not port ${port}`;
      return { rule: "ports", reason };
    }
    if ((this.#counts.get(grant) ?? 0) >= maxTunnels) {
      const reason = `Token "${name}" has reached its max_tunnels (${maxTunnels})`;
      return { rule: "max_tunnels", reason };
    }
    if (port === 0) return null;
    const holder = this.#holders.get(keyOf(grant, port));
    if (holder !== undefined) return { rule: "", reason: belongsTo(holder, control, port) };
    if (this.#holds.against(grant, port) === null) return null;
    return {
      rule: "port_hold",
      reason: `Port ${port} is kept for a client with another token that was lost a moment ago`,
    };
  }

  /** Whether a port that the kernel has chosen for a tunnel is kept for a client that was lost. */
  isKept({ grant }: Control, port: number): boolean {
    return this.#holds.isKept(grant, port);
  }

  /**
   * The ports that a tunnel without a port of its own may try, one after the other, each free when it is asked for; 0 is
   * one that the kernel chooses.
   */
  choices(grant: Grant): Iterator<number, undefined> {
    const { ports } = grant;
    return ports === null ? Array<number>(KERNEL_CHOICES).fill(0).values() : this.#freePorts(grant, ports);
  }

  *#freePorts(grant: Grant, ports: readonly PortRange[]): Generator<number, undefined> {
    const first = this.#nextPorts.get(grant) ?? 0;
    for (const [lowest, highest] of [[first, 65535], [0, first - 1]]) {
      for (const { low, high } of ports) {
        for (let port = Math.max(low, lowest); port <= Math.min(high, highest); port++) {
          if (this.#holders.has(keyOf(grant, port)) || this.#holds.isKept(grant, port)) continue;
          this.#nextPorts.set(grant, port + 1);
          yield port;
        }
      }
    }
  }

  /** A client has a tunnel, or wants it. */
  hold(tunnel: Tunnel, control: Control): void {
    const held = { tunnel, control };
    this.#tunnels.set(tunnel.id, held);
    this.#counts.set(control.grant, (this.#counts.get(control.grant) ?? 0) + 1);
    if (tunnel.port !== 0) this.#holders.set(keyOf(control.grant, tunnel.port), held);
  }

  /** A tunnel tries another port, or has got the one that the kernel chose. */
  move(held: Held, port: number): void {
    const { tunnel, control } = held;
    if (tunnel.port === port) return;
    this.#vacate(tunnel, control);
    tunnel.port = port;
    if (port !== 0) this.#holders.set(keyOf(control.grant, port), held);
  }

  #vacate(tunnel: Tunnel, { grant }: Control): void {
    const key = keyOf(grant, tunnel.port);
    if (this.#holders.get(key)?.tunnel === tunnel) this.#holders.delete(key);
  }

  /** A tunnel's port is open: nothing keeps it any more. */
  opened({ port }: Tunnel, { grant }: Control): void {
    this.#holds.release(grant, port);
  }

  /**
   * A tunnel is gone.
   *
   * @param keep Whether its port is kept for its token.
   */
  release(tunnel: Tunnel, control: Control, keep: boolean): void {
    if (!this.#tunnels.delete(tunnel.id)) return;
    if (keep) this.#holds.keep(tunnel.port, control.grant);
    this.#counts.set(control.grant, this.#counts.get(control.grant)! - 1);
    this.#vacate(tunnel, control);
  }
}

/** Why a tunnel that may have any of these ports got none. */
export function noneFree(ports: readonly PortRange[] | null): string {
  return ports === null ? "No port is free" : `None of ${shown(ports)} is free`;
}

function keyOf({ bind }: Grant, port: number): string {
  return `${bind} ${port}`;
}

/** Ports for a reason, which is cut when it is long. */
function shown(ports: readonly PortRange[]): string {
  const text = formatPortRanges(ports);
  return `ports ${text.length > 80 ? `${text.slice(0, 80).replace(/, [^,]*$/, "")}, \u2026` : text}`;
}

/** Whose a port is; of a client with another token not more than that. */
function belongsTo(holder: Held, control: Control, port: number): string {
  if (holder.control.grant !== control.grant) return `Port ${port} belongs to a client with another token`;
  const whose = holder.control === control ? "this client" : `the client at ${holder.control.address}`;
  return `Port ${port} belongs to tunnel "${holder.tunnel.name}" of ${whose}`;
}
