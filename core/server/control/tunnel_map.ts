// The TunnelMap: every tunnel of every client, which port it has or wants, and what its client is told of it. It knows no
// logins.
import { Errno, errnoWords } from "../../../ffi/errno.ts";
import { type AddressRange, formatRange, parseAddressRange } from "../../protocol/address_range.ts";
import type { TunnelNo } from "../../protocol/ids.ts";
import type { NewTunnelReq } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import { type Control, keyOf, type Tunnel } from "./control.ts";
import type { Grant } from "../policy/grant.ts";
import { type Held, noneFree, PublicPorts, type Refusal } from "./public_ports.ts";
import type { TunnelRows } from "./tunnel_rows.ts";

/** What the TunnelMap needs done. */
export interface TunnelMapActions {
  /**
   * Opens a public port for the visitors that the tunnel lets in; the answer comes by {@linkcode
   * TunnelMap.onListening}.
   */
  listen(tunnel: Tunnel, control: Control): void;
  /** Closes a public port; the answer comes by {@linkcode TunnelMap.onUnlistened}. */
  unlisten(tunnel: Tunnel): void;
  /** A tunnel has come up or gone down. */
  show(tunnel: Tunnel, up: boolean, fields: LogFields): void;
  /** Writes a line for people about a client of a token, or about a client's tunnel. */
  log(about: "client" | "tunnel", grant: Grant, message: string, fields: LogFields): void;
}

/** What people are told about ports. */
export interface TunnelMapOptions {
  /** The port that clients log in to. */
  readonly ctlPort: number;
  /** The port for ProxyConns. */
  readonly proxyPort: number;
  /** Ms for which the ports of a client that was lost are kept for it; 0 keeps none. */
  readonly portHoldMs: number;
}

/** See the file's head. One thread. */
export class TunnelMap {
  readonly #actions: TunnelMapActions;
  readonly #options: TunnelMapOptions;
  readonly #rows: TunnelRows;
  readonly #ports: PublicPorts;
  /** Public ports that are being closed, by tunnel, and what is to be told of each. */
  readonly #closing = new Map<number, { readonly grant: Grant; readonly fields: LogFields }>();
  /** The program stops: no port is opened any more. */
  #draining = false;
  #lastTunnel = 0;

  /**
   * Makes an empty map.
   *
   * @param actions Does what the map needs done.
   * @param rows Where tunnels are counted.
   * @param options What people are told about ports.
   * @param now Gives ms.
   */
  constructor(actions: TunnelMapActions, rows: TunnelRows, options: TunnelMapOptions, now: () => number) {
    this.#ports = new PublicPorts(options.portHoldMs, now);
    this.#actions = actions;
    this.#rows = rows;
    this.#options = options;
  }

  /**
   * A client wants a tunnel. What costs little is looked at first: a client may ask for what it will not get as often as it
   * likes.
   */
  open(control: Control, request: NewTunnelReq): void {
    const { tunnel: no, name, remote_port: asked } = request;
    if (control.tunnels.has(no)) throw new ProtocolError(`Tunnel ${no} is there already`);
    const refuse = (refusal: Refusal) => this.#refuseTunnel(control, no, name, refusal);
    if (this.#draining) return refuse({ rule: "", reason: "The server stops" });
    const refusal = this.#ports.refusal(control, asked);
    if (refusal !== null) return refuse(refusal);
    const [allow, deny] = [rangesOf(request.allow), rangesOf(request.deny)];
    const choices = asked === 0 ? this.#ports.choices(control.grant) : null;
    const port = choices === null ? asked : choices.next().value;
    if (port === undefined) return refuse({ rule: "", reason: noneFree(control.grant.ports) });
    const row = this.#rows.take(ownerOf(control, no, name));
    const { most } = this.#rows;
    if (row === null) return refuse({ rule: "", reason: `The server has ${most} tunnels, the most that it can have` });
    const tunnel: Tunnel = { id: ++this.#lastTunnel, row, no, name, port, open: false, choices, allow, deny };
    control.tunnels.set(no, tunnel);
    this.#ports.hold(tunnel, control);
    this.#actions.listen(tunnel, control);
  }

  #refuseTunnel(control: Control, no: TunnelNo, name: string, { rule, reason }: Refusal): void {
    control.conn.send({ type: "NewTunnelRsp", tunnel: no, ok: false, rule, reason });
    const fields = { name, client: control.id, address: control.address, reason };
    this.#actions.log("tunnel", control.grant, "Tunnel is refused", fields);
  }

  /**
   * How opening a public port went.
   *
   * @param id The tunnel.
   * @param port The port asked for, or opened.
   * @param code 0, or a positive errno.
   */
  onListening(id: number, port: number, code: number): void {
    const held = this.#ports.get(id);
    // its client has gone meanwhile, and the port was told to be closed behind this
    if (held === undefined) return;
    if (code !== 0) return this.#onNotOpen(held, code);
    const { tunnel, control } = held;
    if (tunnel.port === 0 && this.#ports.isKept(control, port)) return this.#chooseAgain(held);
    this.#ports.move(held, port);
    this.#ports.opened(tunnel, control);
    tunnel.open = true;
    const { bind } = control.grant;
    const [allow, deny] = [tunnel.allow.map(formatRange), tunnel.deny.map(formatRange)];
    const inForce = { address: bind, remote_port: port, allow, deny };
    control.conn.send({ type: "NewTunnelRsp", tunnel: tunnel.no, ok: true, ...inForce });
    const fields = fieldsOf(tunnel, control);
    this.#actions.log("tunnel", control.grant, "Tunnel is up", fields);
    this.#actions.show(tunnel, true, fields);
  }

  /** The kernel has chosen a port that is kept for a client that was lost. */
  #chooseAgain({ tunnel, control }: Held): void {
    this.#actions.unlisten(tunnel);
    this.#ports.release(tunnel, control, false);
    // under another number: the former one is still to be closed
    const again: Tunnel = { ...tunnel, id: ++this.#lastTunnel };
    control.tunnels.set(tunnel.no, again);
    this.#ports.hold(again, control);
    this.#tryOther(this.#ports.get(again.id)!, "No port is free");
  }

  #onNotOpen(held: Held, code: number): void {
    const { port } = held.tunnel;
    const mayBeOther = port !== 0 && (code === Errno.EADDRINUSE || code === Errno.EACCES);
    if (held.tunnel.choices === null || !mayBeOther) return this.#giveUp(held, whyNotOpen(port, code, this.#options));
    this.#tryOther(held, noneFree(held.control.grant.ports));
  }

  #tryOther(held: Held, reason: string): void {
    const { tunnel, control } = held;
    const other = this.#draining ? undefined : tunnel.choices?.next().value;
    if (other === undefined) return this.#giveUp(held, reason);
    this.#ports.move(held, other);
    this.#actions.listen(tunnel, control);
  }

  #giveUp({ tunnel, control }: Held, reason: string): void {
    control.tunnels.delete(tunnel.no);
    this.#forgetTunnel(tunnel, control, false);
    this.#refuseTunnel(control, tunnel.no, tunnel.name, { rule: "", reason });
  }

  /** A client closes one of its tunnels. */
  close(control: Control, no: TunnelNo, reason: string): void {
    const tunnel = control.tunnels.get(no);
    if (tunnel === undefined) return;
    control.tunnels.delete(no);
    this.#dropTunnel(tunnel, control, reason, false);
  }

  #dropTunnel(tunnel: Tunnel, control: Control, reason: string, keepPort: boolean): void {
    if (tunnel.open) this.#noteClosing(tunnel, control, reason);
    this.#forgetTunnel(tunnel, control, keepPort && tunnel.open);
    this.#actions.unlisten(tunnel);
  }

  #noteClosing(tunnel: Tunnel, control: Control, reason: string): void {
    const fields = fieldsOf(tunnel, control);
    this.#closing.set(tunnel.id, { grant: control.grant, fields: { ...fields, reason } });
    this.#actions.show(tunnel, false, fields);
  }

  #forgetTunnel(tunnel: Tunnel, control: Control, keepPort: boolean): void {
    this.#ports.release(tunnel, control, keepPort);
    this.#rows.leave(ownerOf(control, tunnel.no, tunnel.name), tunnel.row);
  }

  /** The program stops, and the acceptor Worker has closed every public port or will: no more are opened. */
  drain(): void {
    this.#draining = true;
    for (const held of this.#ports.values()) this.#dropAtEnd(held);
  }

  #dropAtEnd({ tunnel, control }: Held): void {
    if (!tunnel.open) return;
    this.#noteClosing(tunnel, control, "the server stops");
    tunnel.open = false;
  }

  /** A public port is closed. Only now the log says so: after that line the port is closed for certain. */
  onUnlistened(id: number): void {
    const held = this.#ports.get(id);
    // at the end of the program the acceptor Worker closes ports by itself, and may be the first to see the end
    if (held !== undefined) this.#dropAtEnd(held);
    const closed = this.#closing.get(id);
    this.#closing.delete(id);
    if (closed !== undefined) this.#actions.log("tunnel", closed.grant, "Tunnel is down", closed.fields);
  }

  /** The Workers end: what the acceptor Worker has not answered by now it does not answer any more. */
  stop(): void {
    for (const id of [...this.#closing.keys()]) this.onUnlistened(id);
  }

  /** A client is lost, or goes: its tunnels go down, and their ports are kept for its token for a while. */
  dropAll(control: Control, reason: string): void {
    for (const tunnel of control.tunnels.values()) this.#dropTunnel(tunnel, control, reason, true);
    control.tunnels.clear();
  }
}

function rangesOf(texts: readonly string[]): AddressRange[] {
  return texts.map((text) => {
    const range = parseAddressRange(text);
    if (range === null) throw new ProtocolError(`Invalid NewTunnelReq: "${text}" is no address range`);
    return range;
  });
}

/** Names a tunnel for as long as its client lives, whatever connections it logs in by. */
function ownerOf({ grant, instance }: Control, no: TunnelNo, name: string): string {
  return `${keyOf(grant, instance)} ${no} ${name}`;
}

function fieldsOf({ name, port }: Tunnel, { id, grant }: Control): LogFields {
  return { name, public: publicAddress(grant.bind, port), client: id };
}

function whyNotOpen(port: number, code: number, { ctlPort, proxyPort }: TunnelMapOptions): string {
  switch (code) {
    case Errno.EADDRINUSE: {
      if (port === 0) return "No port is free";
      const own = port === ctlPort ? "ctl_port" : port === proxyPort ? "proxy_port" : null;
      return own === null
        ? `Port ${port} is in use on the server by another program`
        : `Port ${port} is the server's ${own}`;
    }
    case Errno.EACCES:
      return `Port ${port} may not be opened by the server's user`;
    case Errno.EMFILE:
      // also when the token has its share of them
      return "The server has no descriptor left for another port of this token";
    default:
      return `Port ${port} cannot be opened: ${errnoWords(code)}`;
  }
}

function publicAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
