// The control Worker of the client: the ctl_conn, and everything that is said on it. Payload never comes here.
import type { CtlConn } from "../../protocol/ctl_conn.ts";
import type { TunnelNo } from "../../protocol/ids.ts";
import type { CtlMessage, NewCtlAccepted } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { Mailbox } from "../../reactor/mailbox.ts";
import type { LogFields, LogLevel } from "../../reactor/log_record.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import {
  NO_CONTROL,
  sendControlLost,
  sendNeedProxy,
  sendServerUp,
  sendTunnelPort,
  strayRecord,
} from "../../relay/records.ts";
import type { TunnelReport } from "../../relay/tunnel_book.ts";
import { ChangeWatch } from "./change_watch.ts";
import { ServerLink, type ServerLinkEvents } from "./server_link.ts";
import { TunnelMap } from "./tunnel_map.ts";
import {
  addressesOf,
  type ControlConfig,
  FIRST_RELAY,
  type ResolvedMessage,
  type ResolveReport,
  rowOfTunnel,
} from "../worker_config.ts";

class ClientControl implements Reactor, ServerLinkEvents {
  readonly #context: ReactorContext;
  readonly #config: ControlConfig;
  readonly #link: ServerLink;
  readonly #tunnels: TunnelMap;
  readonly #changes: ChangeWatch;

  constructor(context: ReactorContext, config: ControlConfig) {
    this.#context = context;
    this.#config = config;
    this.#link = new ServerLink(context.loop, config, config.program, this);
    this.#tunnels = new TunnelMap(
      context.loop,
      config.tunnels,
      config.serverHost,
      context.log,
      (tunnel, up, fields) => this.#show(tunnel, up, fields),
      (port) => this.#tellRelays((mailbox, relay) => sendTunnelPort(mailbox, relay, port)),
    );
    this.#changes = new ChangeWatch(context.loop, (what) => this.#link.onChange(what));
    this.#link.start();
  }

  #show(tunnel: TunnelNo, up: boolean, fields: LogFields): void {
    const row = rowOfTunnel(tunnel);
    this.#context.report({ kind: "tunnel", row, up, fields, before: null } satisfies TunnelReport);
  }

  onResolve(): void {
    this.#context.report({ kind: "resolve-server" } satisfies ResolveReport);
  }

  onUp(conn: CtlConn, address: number, accepted: NewCtlAccepted): void {
    this.log("info", "Logged in to the server", { server: this.#config.server, client: accepted.control });
    this.#tellRelays((mailbox, relay) => sendServerUp(mailbox, relay, address, accepted.proxy_port));
    this.#tunnels.onConnected(conn);
  }

  onDown(): void {
    this.#tunnels.onDisconnected();
    this.#tellRelays((mailbox, relay) => sendControlLost(mailbox, relay, NO_CONTROL));
  }

  #tellRelays(tell: (mailbox: Mailbox, relay: number) => void): void {
    for (let relay = 0; relay < this.#config.relays; relay++) tell(this.#context.mailbox, FIRST_RELAY + relay);
  }

  log(level: LogLevel, message: string, fields: LogFields): void {
    this.#context.log(level, message, fields);
  }

  onMessage(message: unknown): void {
    const { addresses, reason, answered } = message as ResolvedMessage;
    this.#link.onResolved({ addresses: addressesOf(addresses), reason, answered });
  }

  onCtlMessage(message: CtlMessage): void {
    switch (message.type) {
      case "Heartbeat":
        return;
      case "NewTunnelRsp":
        return this.#tunnels.onResponse(message);
      case "CloseTunnel":
        return this.#tunnels.onClosed(message);
      case "NotifyClientNeedProxy": {
        const { proxy, worker, notices, ticket } = message;
        const relay = FIRST_RELAY + proxy % this.#config.relays;
        return sendNeedProxy(this.#context.mailbox, relay, NO_CONTROL, proxy, worker, notices, ticket);
      }
      case "NewCtlReq":
      case "NewCtlChallenge":
      case "NewCtlProof":
      case "NewCtlRsp":
      case "CloseCtl":
      case "NewTunnelReq":
        throw new ProtocolError(`${message.type} does not belong here`);
      default:
        return message satisfies never;
    }
  }

  /** No other Worker tells this one anything. */
  onRecord(_from: number, words: Int32Array, at: number): void {
    throw strayRecord(words, at);
  }

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) {
      this.#tunnels.closeAll();
      this.#link.drain();
    }
    if (phase === Phase.STOP) this.#link.stop();
  }

  dispose(): void {
    this.#changes.dispose();
  }
}

serveReactor((context, config) => new ClientControl(context, config as ControlConfig));
