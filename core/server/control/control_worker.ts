// The control Worker of the server: ctl_conns, and the first bytes of ProxyConns. Payload never comes here.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { addressRanges } from "../../protocol/address_range.ts";
import type { ControlId, ProxyId, SessionNo } from "../../protocol/ids.ts";
import type { CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { ProxyMetaSet } from "../../protocol/preamble.ts";
import { ticketAt } from "../../protocol/ticket.ts";
import { LogLimit } from "../../reactor/log_limit.ts";
import { type LogFields, type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { RelayCounters } from "../../relay/counters.ts";
import { highWord, joinWords, lowWord, Record } from "../../relay/records.ts";
import type { TunnelReport } from "../../relay/tunnel_book.ts";
import { ControlMap, type ControlMapActions, type SessionMessage } from "./control_map.ts";
import { Entrance, type EntranceEvents } from "./entrance.ts";
import type { LoggedIn } from "./login.ts";
import { ACCEPTOR, type ControlConfig, FIRST_RELAY, MOST_TUNNELS } from "../worker_config.ts";
import type { Control, Tunnel } from "./control.ts";
import { TunnelRows } from "./tunnel_rows.ts";

/** Lines a minute about clients that come and go: some thousands come back after a restart, and none may fill a disk. */
const CLIENT_LINES = 5000;
/** Lines a minute about the tunnels of one client, so that what it does hides nothing of the others. */
const TUNNEL_LINES = 1000;

class ServerControl implements Reactor, ControlMapActions, EntranceEvents {
  readonly #context: ReactorContext;
  readonly #config: ControlConfig;
  readonly #controls: ControlMap;
  readonly #entrance: Entrance;
  readonly #lines: LogLimit;
  readonly #linesOf = new Map<ControlId, LogLimit>();

  constructor(context: ReactorContext, config: ControlConfig) {
    this.#context = context;
    this.#config = config;
    const counters = new RelayCounters(config.relays, MOST_TUNNELS, config.counters);
    this.#controls = new ControlMap(this, new TunnelRows(counters), config);
    this.#lines = new LogLimit(context, CLIENT_LINES);
    this.#entrance = new Entrance(context, config, this);
  }

  onLoggedIn(login: LoggedIn): CtlConnOwner {
    return this.#controls.add(login);
  }

  onGreeting(fd: Descriptor, relay: number, { proxy, ticket }: ProxyMetaSet): boolean {
    if (relay >= this.#config.relays) return false;
    const [a, b, c, d] = ticket;
    this.#context.mailbox.send(FIRST_RELAY + relay, Record.PROXY_CONN, fd, proxy, a, b, c, d);
    return true;
  }

  announce({ id, grant }: Control): void {
    this.#linesOf.set(id, new LogLimit(this.#context, TUNNEL_LINES));
    this.#tellRelays(Record.CONTROL_UP, id, grant.id);
  }

  withdraw(control: ControlId): void {
    this.#linesOf.delete(control);
    this.#tellRelays(Record.CONTROL_LOST, control);
  }

  #tellRelays(record: number, control: ControlId, grant = 0): void {
    for (let relay = 0; relay < this.#config.relays; relay++) {
      this.#context.mailbox.send(FIRST_RELAY + relay, record, control, grant);
    }
  }

  listen({ id, no, row, port, allow, deny }: Tunnel, control: Control): void {
    const { mailbox } = this.#context;
    for (const [denies, ranges] of [allow, deny].entries()) {
      for (const { bits, ip: [a, b, c, d] } of addressRanges(ranges)) {
        mailbox.send(ACCEPTOR, Record.LISTEN_RANGE, id, denies, bits, a, b, c, d);
      }
    }
    mailbox.send(ACCEPTOR, Record.LISTEN, id, control.id, no, row.row, control.grant.id, port);
  }

  unlisten(tunnel: Tunnel): void {
    this.#context.mailbox.send(ACCEPTOR, Record.UNLISTEN, tunnel.id);
  }

  show({ row: { row, before } }: Tunnel, up: boolean, fields: LogFields): void {
    this.#context.report({ kind: "tunnel", row, up, fields, before } satisfies TunnelReport);
  }

  log(message: string, fields: LogFields): void {
    const lines = this.#linesOf.get(fields.client as ControlId) ?? this.#lines;
    lines.log("info", message, fields);
  }

  forward(control: ControlId, message: SessionMessage): void {
    const { mailbox } = this.#context;
    const { proxy, session } = message;
    // relay Workers number their ProxyConns so that the remainder names the Worker
    const relay = FIRST_RELAY + proxy % this.#config.relays;
    switch (message.type) {
      case "NotifyProxyShutdownPeerConn": {
        const { total } = message;
        return mailbox.send(relay, Record.SHUTDOWN_PEER, control, proxy, session, highWord(total), lowWord(total));
      }
      case "FreeProxyConnReq":
        return mailbox.send(relay, Record.FREE_PROXY, control, proxy, session);
      case "ResetSession":
        return mailbox.send(relay, Record.RESET_SESSION, control, proxy, session);
      default:
        return message satisfies never;
    }
  }

  onRecord(from: number, words: Int32Array, at: number): void {
    if (words[at] === Record.LISTENING) {
      return this.#controls.onListening(words[at + 1], words[at + 2], words[at + 3]);
    }
    const conn = this.#controls.get(words[at + 1] as ControlId)?.conn;
    if (conn === undefined) return;
    const proxy = (words[at + 2] >>> 0) as ProxyId;
    switch (words[at]) {
      case Record.NEED_PROXY:
        conn.writer.appendNeedProxy(from - FIRST_RELAY, proxy, ticketAt(words, at + 3));
        break;
      case Record.SHUTDOWN_PEER: {
        const total = joinWords(words[at + 4], words[at + 5]);
        conn.writer.appendShutdownPeer(proxy, (words[at + 3] >>> 0) as SessionNo, total);
        break;
      }
      case Record.RESET_SESSION:
        conn.writer.appendResetSession(proxy, (words[at + 3] >>> 0) as SessionNo);
        break;
      default:
        throw new Error(`Record ${words[at]} does not belong here`);
    }
    conn.flushSoon();
  }

  onMessage(): void {}

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) {
      this.#entrance.close();
      this.#controls.drain();
    }
    if (phase !== Phase.STOP) return;
    for (const control of this.#controls.values()) control.conn.finish();
  }

  dispose(): void {}
}

serveReactor((context, config) => new ServerControl(context, config as ControlConfig));
