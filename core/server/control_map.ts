// The ControlMap: every client that is logged in, its tunnels, and which ports they have or want.
import { Errno, errnoName } from "../../ffi/errno.ts";
import type { CtlConnOwner } from "../protocol/ctl_conn.ts";
import type { ControlId, TunnelNo } from "../protocol/ids.ts";
import type { CtlMessage, NewTunnelReq } from "../protocol/messages.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { LogFields } from "../reactor/reactor_worker.ts";
import type { Control, Tunnel } from "./control.ts";
import type { LoggedIn } from "./login.ts";
import type { TunnelRows } from "./tunnel_rows.ts";

/** What the ControlMap needs done. */
export interface ControlMapActions {
  /** Every relay Worker shall know a new client; before any of its ports is opened. */
  announce(control: ControlId): void;
  /** Every relay Worker shall forget it. */
  withdraw(control: ControlId): void;
  /** Opens a public port for whom `req` lets in; the answer comes by {@linkcode ControlMap.onListening}. */
  listen(tunnel: Tunnel, control: ControlId, req: NewTunnelReq): void;
  /** Closes a public port. */
  unlisten(tunnel: Tunnel): void;
  /** A notice of a client for the relay Worker that has the ProxyConn. */
  forward(control: ControlId, message: SessionMessage): void;
  /** A tunnel has come up or gone down. */
  show(tunnel: Tunnel, up: boolean, fields: LogFields): void;
  /** Writes a line for people. */
  log(message: string, fields: LogFields): void;
}

/** A message about one session. */
export type SessionMessage = Extract<CtlMessage, { proxy: unknown; session: unknown }>;

/** What every client is told. */
export interface ControlMapOptions {
  /** The port for ProxyConns. */
  readonly proxyPort: number;
  /** The address of public ports, for people. */
  readonly bind: string;
  /** Ms between heartbeats. */
  readonly heartbeatIntervalMs: number;
  /** Ms of silence after which a client counts as dead. */
  readonly heartbeatTimeoutMs: number;
}

/** See the file's head. One thread. */
export class ControlMap {
  readonly #actions: ControlMapActions;
  readonly #options: ControlMapOptions;
  readonly #rows: TunnelRows;
  readonly #controls = new Map<ControlId, Control>();
  readonly #instances = new Map<string, Control>();
  /** Tunnels by the server's number, with their owners. */
  readonly #tunnels = new Map<number, { readonly tunnel: Tunnel; readonly control: Control }>();
  /** The program stops: no port is opened any more. */
  #draining = false;
  #lastControl = 0;
  #lastTunnel = 0;

  /** Makes an empty map. */
  constructor(actions: ControlMapActions, rows: TunnelRows, options: ControlMapOptions) {
    this.#actions = actions;
    this.#rows = rows;
    this.#options = options;
  }

  /** The client with that number. */
  get(control: ControlId): Control | undefined {
    return this.#controls.get(control);
  }

  /** All clients. */
  values(): Iterable<Control> {
    return this.#controls.values();
  }

  /** Takes in a client; one that returns replaces itself, and so gets its ports back at once. */
  add({ conn, instance, program, address, proof }: LoggedIn): CtlConnOwner {
    const former = this.#instances.get(instance);
    if (former !== undefined) this.#lose(former, "replaced by a new connection of the same client");
    const { proxyPort, heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options;
    const control: Control = { id: ++this.#lastControl as ControlId, conn, instance, address, tunnels: new Map() };
    this.#controls.set(control.id, control);
    this.#instances.set(instance, control);
    this.#actions.announce(control.id);
    conn.startHeartbeats(heartbeatIntervalMs, heartbeatTimeoutMs);
    conn.send({
      type: "NewCtlRsp",
      ok: true,
      proof,
      proxy_port: proxyPort,
      heartbeat_timeout_ms: heartbeatTimeoutMs,
      control: control.id,
    });
    this.#actions.log("Client has logged in", { client: control.id, address, program });
    return {
      onMessage: (message) => this.#onMessage(control, message),
      onClosed: (reason) => this.#lose(control, reason),
    };
  }

  #onMessage(control: Control, message: CtlMessage): void {
    switch (message.type) {
      case "Heartbeat":
        return;
      case "NewTunnelReq":
        return this.#openTunnel(control, message);
      case "CloseTunnel":
        return this.#closeTunnel(control, message.tunnel, message.reason);
      case "NotifyProxyShutdownPeerConn":
      case "FreeProxyConnReq":
      case "ResetSession":
        return this.#actions.forward(control.id, message);
      case "NewCtlReq":
      case "NewCtlProof":
      case "NewCtlChallenge":
      case "NewCtlRsp":
      case "NewTunnelRsp":
      case "NotifyClientNeedProxy":
        throw new ProtocolError(`${message.type} does not belong here`);
      default:
        return message satisfies never;
    }
  }

  #openTunnel(control: Control, req: NewTunnelReq): void {
    const { tunnel: no, name, remote_port: port } = req;
    if (control.tunnels.has(no)) throw new ProtocolError(`Tunnel ${no} is there already`);
    if (this.#draining) return this.#refuseTunnel(control, no, name, "The server stops");
    const holder = port === 0 ? undefined : this.#holderOf(port);
    if (holder !== undefined) {
      const whose = holder.control === control ? "this client" : `the client at ${holder.control.address}`;
      return this.#refuseTunnel(
        control,
        no,
        name,
        `Port ${port} belongs to tunnel "${holder.tunnel.name}" of ${whose}`,
      );
    }
    const row = this.#rows.take(ownerOf(control, no, name));
    if (row === null) {
      return this.#refuseTunnel(
        control,
        no,
        name,
        `The server has ${this.#rows.most} tunnels, which is all that it takes`,
      );
    }
    const tunnel: Tunnel = { id: ++this.#lastTunnel, row, no, name, port, open: false };
    control.tunnels.set(no, tunnel);
    this.#tunnels.set(tunnel.id, { tunnel, control });
    this.#actions.listen(tunnel, control.id, req);
  }

  #holderOf(port: number) {
    for (const held of this.#tunnels.values()) if (held.tunnel.port === port) return held;
  }

  #refuseTunnel(control: Control, no: TunnelNo, name: string, reason: string): void {
    control.conn.send({ type: "NewTunnelRsp", tunnel: no, ok: false, reason });
    this.#actions.log("Tunnel is refused", { name, client: control.id, address: control.address, reason });
  }

  /**
   * How opening a public port went.
   *
   * @param id The tunnel.
   * @param port The port asked for, or opened.
   * @param code 0, or a positive errno.
   */
  onListening(id: number, port: number, code: number): void {
    const held = this.#tunnels.get(id);
    // its client has gone meanwhile, and the port was told to be closed behind this
    if (held === undefined) return;
    const { tunnel, control } = held;
    if (code !== 0) {
      control.tunnels.delete(tunnel.no);
      this.#forgetTunnel(tunnel, control);
      return this.#refuseTunnel(control, tunnel.no, tunnel.name, whyNotOpen(port, code));
    }
    tunnel.port = port;
    tunnel.open = true;
    const { bind } = this.#options;
    control.conn.send({ type: "NewTunnelRsp", tunnel: tunnel.no, ok: true, address: bind, remote_port: port });
    const fields = this.#fieldsOf(tunnel, control);
    this.#actions.log("Tunnel is up", fields);
    this.#actions.show(tunnel, true, fields);
  }

  #closeTunnel(control: Control, no: TunnelNo, reason: string): void {
    const tunnel = control.tunnels.get(no);
    if (tunnel === undefined) return;
    control.tunnels.delete(no);
    this.#dropTunnel(tunnel, control, reason);
  }

  #dropTunnel(tunnel: Tunnel, control: Control, reason: string): void {
    this.#actions.unlisten(tunnel);
    if (tunnel.open) this.#tellDown(tunnel, control, reason);
    this.#forgetTunnel(tunnel, control);
  }

  #forgetTunnel(tunnel: Tunnel, control: Control): void {
    this.#tunnels.delete(tunnel.id);
    this.#rows.leave(ownerOf(control, tunnel.no, tunnel.name), tunnel.row);
  }

  /** The program stops, and the acceptor Worker has closed every public port or will: no more are opened. */
  drain(): void {
    this.#draining = true;
    for (const { tunnel, control } of this.#tunnels.values()) {
      if (tunnel.open) this.#tellDown(tunnel, control, "the server stops");
      tunnel.open = false;
    }
  }

  #tellDown(tunnel: Tunnel, control: Control, reason: string): void {
    const fields = this.#fieldsOf(tunnel, control);
    this.#actions.log("Tunnel is down", { ...fields, reason });
    this.#actions.show(tunnel, false, fields);
  }

  #fieldsOf({ name, port }: Tunnel, control: Control): LogFields {
    return { name, public: publicAddress(this.#options.bind, port), client: control.id };
  }

  #lose(control: Control, reason: string): void {
    control.conn.close();
    this.#controls.delete(control.id);
    if (this.#instances.get(control.instance) === control) this.#instances.delete(control.instance);
    for (const tunnel of control.tunnels.values()) this.#dropTunnel(tunnel, control, reason);
    control.tunnels.clear();
    this.#actions.withdraw(control.id);
    this.#actions.log("Client has gone", { client: control.id, address: control.address, reason });
  }
}

/** Names a tunnel for as long as its client lives, whatever connections it logs in by. */
function ownerOf({ instance }: Control, no: TunnelNo, name: string): string {
  return `${instance} ${no} ${name}`;
}

function whyNotOpen(port: number, code: number): string {
  switch (code) {
    case Errno.EADDRINUSE:
      return port === 0 ? "No port is free" : `Port ${port} is in use on the server by another program`;
    case Errno.EACCES:
      return `Port ${port} may not be opened by the server's user`;
    default:
      return `Port ${port} cannot be opened: ${errnoName(code)}`;
  }
}

function publicAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
