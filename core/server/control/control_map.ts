// The ControlMap: every client that is logged in. What its tunnels have and want is the TunnelMap's matter.
import type { CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { ControlId } from "../../protocol/ids.ts";
import type { CtlMessage } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import { ClientPlaces } from "./client_places.ts";
import { type Control, keyOf } from "./control.ts";
import type { Grant } from "../policy/grant.ts";
import type { LoggedIn } from "./login.ts";
import { TunnelMap, type TunnelMapActions, type TunnelMapOptions } from "./tunnel_map.ts";
import type { TunnelRows } from "./tunnel_rows.ts";

/** What the ControlMap needs done. */
export interface ControlMapActions extends TunnelMapActions {
  /** Whether there are descriptors for one more client of a grant. */
  hasRoom(grant: Grant): boolean;
  /** Tells every relay Worker of a new client, before any of its ports is opened. */
  announce(control: Control): void;
  /** Tells every relay Worker to forget it. */
  withdraw(control: Control): void;
  /** The ctl_conn of a client that has gone is closed: it may have been told why it goes, which takes a moment. */
  release(control: Control): void;
}

/** What every client is told. */
export interface ControlMapOptions extends TunnelMapOptions {
  /** The port that clients are told for ProxyConns: another one, where it is forwarded. */
  readonly toldProxyPort: number;
  /** Ms between heartbeats. */
  readonly heartbeatIntervalMs: number;
  /** Ms of silence after which a client counts as dead. */
  readonly heartbeatTimeoutMs: number;
}

/** See the file's head. One thread. */
export class ControlMap {
  /** The tunnels of all clients. */
  readonly tunnels: TunnelMap;
  readonly #actions: ControlMapActions;
  readonly #options: ControlMapOptions;
  readonly #places: ClientPlaces;
  readonly #controls = new Map<ControlId, Control>();
  /** By token and instance: with another token it is another client, whatever instance it claims. */
  readonly #instances = new Map<string, Control>();
  #lastControl = 0;

  /**
   * Makes an empty map.
   *
   * @param actions Does what the map needs done.
   * @param rows Where tunnels are counted.
   * @param options What every client is told.
   * @param now Gives ms.
   */
  constructor(actions: ControlMapActions, rows: TunnelRows, options: ControlMapOptions, now: () => number) {
    this.tunnels = new TunnelMap(actions, rows, options, now);
    this.#actions = actions;
    this.#options = options;
    this.#places = new ClientPlaces(options.heartbeatTimeoutMs, (grant) => actions.hasRoom(grant));
  }

  /** The client with that number. */
  get(control: ControlId): Control | undefined {
    return this.#controls.get(control);
  }

  /** All clients. */
  values(): Iterable<Control> {
    return this.#controls.values();
  }

  /** Why a client may not log in, or null. One that returns only replaces itself. */
  whyNotIn(grant: Grant, instance: string): string | null {
    return this.#instances.has(keyOf(grant, instance)) ? null : this.#places.refusal(grant);
  }

  /** Takes in a client; one that returns replaces itself, and so gets its ports back at once. */
  add({ conn, grant, instance, program, workers, address, proof }: LoggedIn): CtlConnOwner {
    const former = this.#instances.get(keyOf(grant, instance));
    if (former !== undefined) this.#end(former, "replaced by a new connection of the same client");
    const gone = this.#places.isFull(grant) ? this.#places.goneOf(grant) : null;
    if (gone !== null) this.#end(gone, "silent, and another client of its token has come");
    const { toldProxyPort, heartbeatIntervalMs, heartbeatTimeoutMs } = this.#options;
    const id = ++this.#lastControl as ControlId;
    const control: Control = { id, conn, grant, instance, workers, address, tunnels: new Map() };
    this.#controls.set(id, control);
    this.#places.take(control);
    this.#instances.set(keyOf(grant, instance), control);
    this.#actions.announce(control);
    conn.onReleased = () => {
      this.#places.leave(control);
      this.#actions.release(control);
    };
    conn.party = grant;
    conn.startHeartbeats(heartbeatIntervalMs, heartbeatTimeoutMs);
    conn.send({
      type: "NewCtlRsp",
      ok: true,
      proof,
      proxy_port: toldProxyPort,
      heartbeat_timeout_ms: heartbeatTimeoutMs,
      control: control.id,
    });
    const token: LogFields = grant.name === null ? {} : { token: grant.name };
    this.#actions.log("client", grant, "Client has logged in", {
      client: control.id,
      address,
      program,
      ...token,
    });
    return {
      onMessage: (message) => this.#onMessage(control, message),
      onClosed: (reason) => this.#lose(control, reason),
    };
  }

  #onMessage(control: Control, message: CtlMessage): void {
    switch (message.type) {
      case "Heartbeat":
        // the client may wait for less than it takes until the server asks: it is answered, once in a turn
        if (control.conn.writer.length === 0) control.conn.send(message);
        return;
      case "NewTunnelReq":
        return this.tunnels.open(control, message);
      case "CloseTunnel":
        return this.tunnels.close(control, message.tunnel, message.reason);
      case "NewCtlReq":
      case "NewCtlProof":
      case "NewCtlChallenge":
      case "NewCtlRsp":
      case "CloseCtl":
      case "NewTunnelRsp":
      case "NotifyClientNeedProxy":
        throw new ProtocolError(`${message.type} does not belong here`);
      default:
        return message satisfies never;
    }
  }

  /** The Workers end: what the acceptor Worker has not answered by now it does not answer any more. */
  stop(): void {
    this.tunnels.stop();
    for (const { conn } of this.#controls.values()) conn.finish();
  }

  #end(control: Control, reason: string): void {
    control.conn.close();
    this.#lose(control, reason);
  }

  /** Its ctl_conn is gone, or tells its client why it goes. */
  #lose(control: Control, reason: string): void {
    this.#controls.delete(control.id);
    const key = keyOf(control.grant, control.instance);
    if (this.#instances.get(key) === control) this.#instances.delete(key);
    this.tunnels.dropAll(control, reason);
    this.#actions.withdraw(control);
    this.#actions.log("client", control.grant, "Client has gone", {
      client: control.id,
      address: control.address,
      reason,
    });
  }
}
