// The control Worker of the server: ctl_conns, and the first bytes of ProxyConns. Payload never comes here.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import type { CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { ProxyMetaSet } from "../../protocol/proxy_frame.ts";
import type { Mailbox } from "../../reactor/mailbox.ts";
import { LogLimit } from "../../reactor/log_limit.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { RelayCounters } from "../../relay/counters.ts";
import {
  kindOf,
  readBadTicket,
  readNeedProxy,
  RecordKind,
  sendClientUp,
  sendControlLost,
  sendProxyConn,
  strayRecord,
} from "../../relay/records.ts";
import type { TunnelReport } from "../../relay/tunnel_book.ts";
import { readListening, readUnlisten, sendListen, sendListenRange, sendUnlisten } from "../listen_records.ts";
import { ConnectionCounts, Held } from "../connection_counts.ts";
import type { Grant } from "../policy/grant.ts";
import { TokenShares } from "../token_shares.ts";
import { ControlMap, type ControlMapActions } from "./control_map.ts";
import { Entrance, type EntranceEvents } from "./entrance.ts";
import type { LoggedIn } from "./login.ts";
import { ACCEPTOR, type ControlConfig, FIRST_RELAY, MOST_TUNNELS } from "../worker_config.ts";
import type { Control, Tunnel } from "./control.ts";
import { TunnelRows } from "./tunnel_rows.ts";

/** Lines and characters a minute about all clients of one token, and about their tunnels, so that none fills a disk. */
const TOKEN_LINES = 500;
const TOKEN_CHARACTERS = 125_000;

class ServerControl implements Reactor, ControlMapActions, EntranceEvents {
  readonly #context: ReactorContext;
  readonly #config: ControlConfig;
  readonly #counts: ConnectionCounts;
  readonly #shares: TokenShares;
  readonly #controls: ControlMap;
  readonly #entrance: Entrance;
  /** By the grant's id, so that no client begins anew by logging in again; tunnels hide no client that comes or goes. */
  readonly #lines: readonly { readonly client: LogLimit; readonly tunnel: LogLimit }[];

  constructor(context: ReactorContext, config: ControlConfig) {
    this.#context = context;
    this.#config = config;
    this.#counts = new ConnectionCounts(config.grants.length, config.counts);
    this.#shares = new TokenShares(config.shares, this.#counts);
    const counters = new RelayCounters(config.relays, MOST_TUNNELS, config.counters);
    this.#controls = new ControlMap(this, new TunnelRows(counters), config, () => context.loop.now);
    const limits = { lines: TOKEN_LINES, characters: TOKEN_CHARACTERS };
    const newLimit = () => new LogLimit(context, limits);
    this.#lines = config.grants.map(() => ({ client: newLimit(), tunnel: newLimit() }));
    this.#entrance = new Entrance(context, config, this);
  }

  hasRoom(grant: Grant): boolean {
    return this.#shares.hasRoom(grant.id);
  }

  whyNotIn(grant: Grant, instance: string): string | null {
    return this.#controls.whyNotIn(grant, instance);
  }

  onLoggedIn(login: LoggedIn): CtlConnOwner {
    return this.#controls.add(login);
  }

  onGreeting(fd: Descriptor, relay: number, { proxy, ticket }: ProxyMetaSet): boolean {
    if (relay >= this.#config.relays) return false;
    sendProxyConn(this.#context.mailbox, FIRST_RELAY + relay, fd, proxy, ticket);
    return true;
  }

  announce({ id, grant, workers }: Control): void {
    this.#counts.count(Held.CLIENTS, grant.id, 1);
    this.#tellRelays((mailbox, relay) => sendClientUp(mailbox, relay, id, grant.id, workers));
  }

  release({ grant }: Control): void {
    this.#counts.count(Held.CLIENTS, grant.id, -1);
  }

  withdraw({ id }: Control): void {
    this.#tellRelays((mailbox, relay) => sendControlLost(mailbox, relay, id));
  }

  #tellRelays(tell: (mailbox: Mailbox, relay: number) => void): void {
    for (let relay = 0; relay < this.#config.relays; relay++) tell(this.#context.mailbox, FIRST_RELAY + relay);
  }

  listen({ id, no, row, port, allow, deny }: Tunnel, control: Control): void {
    const { mailbox } = this.#context;
    for (const [denies, ranges] of [allow, deny].entries()) {
      for (const { bits, ip } of ranges) {
        sendListenRange(mailbox, ACCEPTOR, { tunnelId: id, denies: denies === 1, bits, ip });
      }
    }
    const listen = { tunnelId: id, control: control.id, tunnel: no, row: row.row, grant: control.grant.id, port };
    sendListen(mailbox, ACCEPTOR, listen);
  }

  unlisten(tunnel: Tunnel): void {
    sendUnlisten(this.#context.mailbox, ACCEPTOR, tunnel.id);
  }

  show({ row: { row, before } }: Tunnel, up: boolean, fields: LogFields): void {
    this.#context.report({ kind: "tunnel", row, up, fields, before } satisfies TunnelReport);
  }

  log(about: "client" | "tunnel", { id }: Grant, message: string, fields: LogFields): void {
    this.#lines[id][about].log("info", message, fields);
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case RecordKind.LISTENING: {
        const { tunnelId, port, code } = readListening(words, at);
        return this.#controls.tunnels.onListening(tunnelId, port, code);
      }
      case RecordKind.UNLISTENED:
        return this.#controls.tunnels.onUnlistened(readUnlisten(words, at));
      case RecordKind.NEED_PROXY: {
        const { control, worker, notices, proxy, ticket } = readNeedProxy(words, at);
        const conn = this.#controls.get(control)?.conn;
        conn?.writer.appendNeedProxy(worker, notices, proxy, ticket);
        return conn?.flushSoon();
      }
      case RecordKind.BAD_TICKET:
        return this.#entrance.onBadTicket(readBadTicket(words, at));
      default:
        throw strayRecord(words, at);
    }
  }

  onMessage(): void {}

  onPhase(phase: number): void {
    if (phase === Phase.DRAIN) {
      this.#entrance.close();
      this.#controls.tunnels.drain();
    }
    if (phase !== Phase.STOP) return;
    this.#controls.stop();
  }

  dispose(): void {}
}

serveReactor((context, config) => new ServerControl(context, config as ControlConfig));
