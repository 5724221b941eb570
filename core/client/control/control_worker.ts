// The control Worker of the client: the ctl_conn, and everything that is said on it. Payload never comes here.
import type { CtlConn } from "../../protocol/ctl_conn.ts";
import type { ProxyId, SessionNo, TunnelNo } from "../../protocol/ids.ts";
import type { CtlMessage, NewCtlAccepted } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import {
  type Level,
  type LogFields,
  type Reactor,
  type ReactorContext,
  serveReactor,
} from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { highWord, joinWords, lowWord, Record } from "../../relay/records.ts";
import type { TunnelReport } from "../../relay/tunnel_book.ts";
import { ServerLink, type ServerLinkEvents } from "./server_link.ts";
import { TunnelMap } from "./tunnel_map.ts";
import {
  type ControlConfig,
  FIRST_RELAY,
  type ResolvedMessage,
  resolvedOf,
  type ResolveReport,
  rowOfTunnel,
} from "../worker_config.ts";

class ClientControl implements Reactor, ServerLinkEvents {
  readonly #context: ReactorContext;
  readonly #config: ControlConfig;
  readonly #link: ServerLink;
  readonly #tunnels: TunnelMap;
  #conn: CtlConn | null = null;

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
    );
    this.#link.start();
  }

  #show(tunnel: TunnelNo, up: boolean, fields: LogFields): void {
    const row = rowOfTunnel(tunnel);
    this.#context.report({ kind: "tunnel", row, up, fields, before: null } satisfies TunnelReport);
  }

  onResolve(): void {
    this.#context.report({ kind: "resolve" } satisfies ResolveReport);
  }

  onUp(conn: CtlConn, address: number, accepted: NewCtlAccepted): void {
    this.#conn = conn;
    this.log("info", "Logged in to the server", { server: this.#config.server, client: accepted.control });
    this.#tellRelays(Record.CONTROL_UP, address, accepted.proxy_port);
    this.#tunnels.onConnected(conn);
  }

  onDown(): void {
    this.#conn = null;
    this.#tunnels.onDisconnected();
    this.#tellRelays(Record.CONTROL_LOST, 0, 0);
  }

  #tellRelays(record: number, a: number, b: number): void {
    for (let relay = 0; relay < this.#config.relays; relay++) {
      this.#context.mailbox.send(FIRST_RELAY + relay, record, a, b);
    }
  }

  log(level: Level, message: string, fields: LogFields): void {
    this.#context.log(level, message, fields);
  }

  #relayOf(proxy: ProxyId): number {
    return FIRST_RELAY + proxy % this.#config.relays;
  }

  onMessage(message: unknown): void {
    this.#link.onResolved(resolvedOf(message as ResolvedMessage));
  }

  onCtlMessage(message: CtlMessage): void {
    const { mailbox } = this.#context;
    switch (message.type) {
      case "Heartbeat":
        return;
      case "NewTunnelRsp":
        return this.#tunnels.onResponse(message);
      case "CloseTunnel":
        return this.#tunnels.onClosed(message);
      case "NotifyClientNeedProxy": {
        const { proxy, worker, ticket } = message;
        const [a, b, c, d] = ticket;
        return mailbox.send(this.#relayOf(proxy), Record.NEED_PROXY, proxy, worker, a, b, c, d);
      }
      case "NotifyProxyShutdownPeerConn": {
        const { proxy, session, total } = message;
        const relay = this.#relayOf(proxy);
        return mailbox.send(relay, Record.SHUTDOWN_PEER, 0, proxy, session, highWord(total), lowWord(total));
      }
      case "ResetSession":
        return mailbox.send(this.#relayOf(message.proxy), Record.RESET_SESSION, 0, message.proxy, message.session);
      case "NewCtlReq":
      case "NewCtlChallenge":
      case "NewCtlProof":
      case "NewCtlRsp":
      case "NewTunnelReq":
      case "FreeProxyConnReq":
        throw new ProtocolError(`${message.type} does not belong here`);
      default:
        return message satisfies never;
    }
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    const conn = this.#conn;
    if (conn === null) return;
    const proxy = (words[at + 2] >>> 0) as ProxyId;
    const session = (words[at + 3] >>> 0) as SessionNo;
    switch (words[at]) {
      case Record.SHUTDOWN_PEER:
        conn.writer.appendShutdownPeer(proxy, session, joinWords(words[at + 4], words[at + 5]));
        break;
      case Record.FREE_PROXY:
        conn.writer.appendFreeProxyConn(proxy, session);
        break;
      case Record.RESET_SESSION:
        conn.writer.appendResetSession(proxy, session);
        break;
      default:
        throw new Error(`Record ${words[at]} does not belong here`);
    }
    conn.flushSoon();
  }

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) {
      this.#tunnels.closeAll();
      this.#link.drain();
    }
    if (phase === Phase.STOP) this.#link.stop();
  }

  dispose(): void {}
}

serveReactor((context, config) => new ClientControl(context, config as ControlConfig));
