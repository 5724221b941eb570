// The client's TunnelMap: which tunnels are up, on which public ports, and when to ask again for the others.
import { localAddress, peerAddress } from "../../../ffi/socket.ts";
import { internetAddress, IP_WORDS, ipOf, isLoopback, readIp } from "../../../ffi/socket_address.ts";
import { formatRange, parseAddressRange } from "../../protocol/address_range.ts";
import type { CtlConn } from "../../protocol/ctl_conn.ts";
import type { TunnelNo } from "../../protocol/ids.ts";
import type { CloseTunnel, NewTunnelAccepted, NewTunnelRefused, NewTunnelRsp } from "../../protocol/messages.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import type { LogFields, LogLevel } from "../../reactor/log_record.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { Backoff } from "./backoff.ts";
import type { TunnelPortRecord } from "../../relay/records.ts";
import type { TunnelPlan } from "../worker_config.ts";

/** Refusals in a row after which a port that the server chose once is not insisted on. */
const INSIST = 5;

interface TunnelState {
  readonly no: TunnelNo;
  readonly plan: TunnelPlan;
  /** The port to ask for: as configured, or the one that the server chose at first. */
  port: number;
  /** The host of its public address, as the server answered last. */
  host: string;
  /** `barred`: a rule of this client's token forbids its port, and will as long as the ctl_conn lasts. */
  state: "down" | "asked" | "up" | "barred";
  refusals: number;
}

/** See the file's head. One thread. */
export class TunnelMap implements TimerTarget {
  readonly #loop: EventLoop;
  readonly #serverHost: string;
  readonly #log: (level: LogLevel, message: string, fields: LogFields) => void;
  readonly #show: (tunnel: TunnelNo, up: boolean, fields: LogFields) => void;
  readonly #onPort: (record: TunnelPortRecord) => void;
  readonly #tunnels: TunnelState[];
  readonly #retry = new Timer(this);
  readonly #backoff = new Backoff();
  #conn: CtlConn | null = null;
  #closed = false;

  /**
   * Makes the map with every tunnel down.
   *
   * @param loop The Worker's loop.
   * @param plans The tunnels.
   * @param serverHost The server's host for public addresses.
   * @param log Writes lines for people.
   * @param show Hears of every tunnel that comes up or goes down, with its name and addresses.
   * @param onPort Hears of the public port of every tunnel; of port 0 when a tunnel goes down, unless the ctl_conn is
   *   gone as well.
   */
  constructor(
    loop: EventLoop,
    plans: readonly TunnelPlan[],
    serverHost: string,
    log: (level: LogLevel, message: string, fields: LogFields) => void,
    show: (tunnel: TunnelNo, up: boolean, fields: LogFields) => void,
    onPort: (record: TunnelPortRecord) => void,
  ) {
    this.#loop = loop;
    this.#serverHost = serverHost;
    this.#log = log;
    this.#show = show;
    this.#onPort = onPort;
    this.#tunnels = plans.map((plan, place) => ({
      no: (place + 1) as TunnelNo,
      plan,
      port: plan.remotePort,
      host: "",
      state: "down",
      refusals: 0,
    }));
  }

  /** A new ctl_conn: every tunnel is asked for. */
  onConnected(conn: CtlConn): void {
    if (this.#closed) return;
    this.#conn = conn;
    this.#backoff.reset();
    this.#ask();
  }

  /** The ctl_conn is gone, and every tunnel with it. */
  onDisconnected(): void {
    this.#conn = null;
    this.#loop.timers.clear(this.#retry);
    for (const tunnel of this.#tunnels) this.#leave(tunnel);
  }

  #ask(): void {
    for (const tunnel of this.#tunnels) {
      if (tunnel.state !== "down") continue;
      tunnel.state = "asked";
      const { no, plan: { name, allow, deny }, port: remote_port } = tunnel;
      this.#conn!.send({ type: "NewTunnelReq", tunnel: no, name, remote_port, allow: [...allow], deny: [...deny] });
    }
  }

  /** The server's answer. */
  onResponse(response: NewTunnelRsp): void {
    const tunnel = this.#tunnels[response.tunnel - 1];
    if (tunnel === undefined || tunnel.state !== "asked") return;
    if (!response.ok) return this.#refused(tunnel, response);
    const ignored = whatIsIgnored(tunnel, response);
    if (ignored !== "") return this.#refuse(tunnel, ignored);
    tunnel.state = "up";
    tunnel.refusals = 0;
    tunnel.port = response.remote_port;
    tunnel.host = publicHost(response.address, this.#serverHost);
    const everywhere = isAll(response.address);
    const isWithin = isWithinHost(this.#conn);
    this.#onPort({
      tunnel: tunnel.no,
      port: tunnel.port,
      here: everywhere || response.address === addressOf(this.#conn),
      onThisHost: everywhere && isWithin,
      bound: isWithin && !everywhere ? wordsOf(response.address) : null,
    });
    this.#log("info", "Tunnel is up", fieldsOf(tunnel));
    this.#show(tunnel.no, true, fieldsOf(tunnel));
  }

  /** The server would serve a tunnel otherwise than it was asked to. */
  #refuse(tunnel: TunnelState, ignored: string): void {
    tunnel.state = "barred";
    const { plan: { name }, port, no } = tunnel;
    this.#conn?.send({ type: "CloseTunnel", tunnel: no, reason: `The server ignores ${ignored}` });
    this.#log("error", "Tunnel is not served: the server ignores a part of what it was asked for", {
      name,
      port,
      ignored,
    });
  }

  #refused(tunnel: TunnelState, { rule, reason }: NewTunnelRefused): void {
    const { name, remotePort } = tunnel.plan;
    const { port } = tunnel;
    tunnel.refusals++;
    const barred = rule === "ports";
    if (remotePort === 0 && (barred || tunnel.refusals >= INSIST)) tunnel.port = 0;
    this.#log("warning", "Tunnel is refused", { name, port, reason, ...rule === "" ? {} : { rule } });
    if (barred && remotePort !== 0) tunnel.state = "barred";
    else this.#down(tunnel);
  }

  /** The server closed a tunnel. */
  onClosed({ tunnel: no, reason }: CloseTunnel): void {
    const tunnel = this.#tunnels[no - 1];
    if (tunnel === undefined || tunnel.state !== "up") return;
    this.#log("warning", "Tunnel is closed by the server", { name: tunnel.plan.name, reason });
    this.#down(tunnel);
  }

  /** It is not up any more, if it was. */
  #leave(tunnel: TunnelState): void {
    if (tunnel.state === "up") {
      this.#show(tunnel.no, false, fieldsOf(tunnel));
      if (this.#conn !== null) {
        this.#onPort({ tunnel: tunnel.no, port: 0, here: false, onThisHost: false, bound: null });
      }
    }
    tunnel.state = "down";
  }

  #down(tunnel: TunnelState): void {
    this.#leave(tunnel);
    if (!this.#retry.isSet) this.#loop.setTimer(this.#retry, this.#backoff.next());
  }

  /** Time to ask again. */
  onTimer(): void {
    if (this.#conn !== null) this.#ask();
  }

  /** The program stops: the server is to send no new connections. */
  closeAll(): void {
    this.#loop.timers.clear(this.#retry);
    for (const { no, state } of this.#tunnels) {
      if (state === "asked" || state === "up") {
        this.#conn?.send({ type: "CloseTunnel", tunnel: no, reason: "the client stops" });
      }
    }
    // whatever the server still answers, and also on another ctl_conn, nothing is asked for again
    this.#conn = null;
    this.#closed = true;
  }
}

/** What a server that opens a tunnel ignores, by the names of the settings; empty when that is nothing. */
function whatIsIgnored({ plan, port }: TunnelState, inForce: NewTunnelAccepted): string {
  const ignored: string[] = [];
  if (!sameRanges(plan.allow, inForce.allow)) ignored.push("allow");
  if (!sameRanges(plan.deny, inForce.deny)) ignored.push("deny");
  if (port !== 0 && inForce.remote_port !== port) ignored.push("remote_port");
  return ignored.join(", ");
}

/** Whether two lists have the same ranges, however these are written. */
function sameRanges(asked: readonly string[], inForce: readonly string[]): boolean {
  return asked.length === inForce.length && asked.every((range, place) => shortest(range) === shortest(inForce[place]));
}

function shortest(text: string): string | null {
  const range = parseAddressRange(text);
  return range === null ? null : formatRange(range);
}

function fieldsOf({ plan: { name, local }, host, port }: TunnelState): LogFields {
  return { name, public: `${host}:${port}`, local };
}

/**
 * Where the public reaches a tunnel: the address it is bound to, or the server's host when it is bound to all
 * addresses.
 */
function publicHost(bound: string, server: string): string {
  const host = isAll(bound) ? server : bound;
  return host.includes(":") ? `[${host}]` : host;
}

function isAll(bound: string): boolean {
  return bound === "0.0.0.0" || bound === "::";
}

/** A numeric address as words; null for a name. */
function wordsOf(text: string): number[] | null {
  const address = internetAddress(text, 0);
  if (address === null) return null;
  const words = new Int32Array(IP_WORDS);
  readIp(address.bytes, words);
  return [...words];
}

/** Whether the server is on this very host, as far as the ctl_conn shows it. */
function isWithinHost(conn: CtlConn | null): boolean {
  const [own, peer] = conn === null ? [null, null] : [localAddress(conn.fd), peerAddress(conn.fd)];
  return own !== null && peer !== null && (isLoopback(peer) || ipOf(own) === ipOf(peer));
}

/** The server's address, as this client knows it. */
function addressOf(conn: CtlConn | null): string | null {
  const address = conn === null ? null : peerAddress(conn.fd);
  return address === null ? null : ipOf(address);
}
