// The acceptor Worker of the server: it listens on every public port and deals connections out to the relay Workers.
import { close, type Descriptor } from "../../../ffi/descriptor.ts";
import { Errno, errnoWords } from "../../../ffi/errno.ts";
import { lastAddress, lastPort, listenOn, localAddress, readLastIp, resetOnClose } from "../../../ffi/socket.ts";
import { formatAddress, IP_WORDS, portOf, withPort } from "../../../ffi/socket_address.ts";
import { type AddressRange, addressRanges } from "../../protocol/address_range.ts";
import type { ControlId, TunnelNo } from "../../protocol/ids.ts";
import { visitorHash } from "../../protocol/visitor_hash.ts";
import { Acceptor, type AcceptorEvents, type PausedListeners } from "../../reactor/acceptor.ts";
import { isWatchShortage } from "../../reactor/event_loop.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import { type Reactor, type ReactorContext, serveReactor } from "../../reactor/reactor_worker.ts";
import { Phase } from "../../reactor/shared_state.ts";
import { LogLimit, shortageLog } from "../../reactor/log_limit.ts";
import { limitBuffers } from "../../relay/buffers.ts";
import type { TunnelRow } from "../../relay/counters.ts";
import { kindOf, RecordKind, sendPublicConn, strayRecord } from "../../relay/records.ts";
import { paceFromAfar, unpace } from "../../relay/pacing.ts";
import { watchPeers } from "../../relay/peer_watch.ts";
import { AddressFilter } from "../policy/address_filter.ts";
import { ClientLoads } from "../client_loads.ts";
import { ConnectionCounts, Held, type PortPlace, portPlaceOf } from "../connection_counts.ts";
import { TokenShares } from "../token_shares.ts";
import { Dealer } from "./dealer.ts";
import { ConnectionLimits } from "./connection_limits.ts";
import {
  type ListenRangeRecord,
  type ListenRecord,
  readListen,
  readListenRange,
  readUnlisten,
  sendListening,
  sendUnlistened,
} from "../listen_records.ts";
import { noteRefusal, refusalLimit } from "./refusal.ts";
import { WaitingRoom } from "../waiting_room.ts";
import { type AcceptorConfig, CONTROL, FIRST_RELAY } from "../worker_config.ts";

/** Lines a minute about visitors of one token's ports that allow or deny refuse. */
const REFUSAL_LINES = 60;

/** Which visitors may connect to a port: the allow list and the deny list. */
type Ranges = readonly [AddressRange[], AddressRange[]];

/** A public port. */
interface Door {
  readonly acceptor: Acceptor;
  readonly control: ControlId;
  readonly tunnel: TunnelNo;
  readonly port: number;
  readonly row: TunnelRow;
  readonly grant: number;
  /** Where its PublicConns are counted. */
  readonly place: PortPlace;
  /** What its client has asked for; null is everybody. */
  readonly filter: AddressFilter | null;
  readonly refusals: LogLimit;
  /** What a refusal says of it. */
  readonly fields: LogFields;
}

class ServerAcceptor implements Reactor {
  readonly #context: ReactorContext;
  readonly #config: AcceptorConfig;
  readonly #doors = new Map<number, Door>();
  /** Ranges of tunnels whose LISTEN has not come yet. */
  readonly #ranges = new Map<number, Ranges>();
  /** The operator's own; null is everybody. */
  readonly #filter: AddressFilter | null;
  readonly #counts: ConnectionCounts;
  readonly #shares: TokenShares;
  readonly #limits: ConnectionLimits;
  /** The address of the visitor accepted last. */
  readonly #ip = new Int32Array(IP_WORDS);
  readonly #shortage: LogLimit;
  /** Of all ports of a grant, by its id: each port has a limit of its own in front of it, which goes with it. */
  readonly #refusals: readonly LogLimit[];
  /** Of the ports of each grant, by its id. */
  readonly #paused: readonly PausedListeners[];
  readonly #room: WaitingRoom;
  readonly #dealer: Dealer;
  /** PublicConns that were dealt out, modulo 2^32. */
  #dealt = 0;
  /** Descriptors in use at the last look. */
  #used = 0;

  constructor(context: ReactorContext, config: AcceptorConfig) {
    this.#context = context;
    this.#config = config;
    limitBuffers(config.bufferLimit);
    this.#filter = filterOf([addressRanges(config.allow), addressRanges(config.deny)]);
    const { rules, counts, maxConnections, shares } = config;
    this.#counts = new ConnectionCounts(rules.length, counts);
    this.#shares = new TokenShares(shares, this.#counts);
    this.#limits = new ConnectionLimits(context, this.#counts, rules, maxConnections);
    this.#shortage = shortageLog(context);
    this.#refusals = config.rules.map(() => new LogLimit(context, { lines: REFUSAL_LINES }));
    this.#paused = config.rules.map(() => ({ count: 0 }));
    this.#room = new WaitingRoom(config.relays, config.waitingRoom);
    this.#dealer = new Dealer(new ClientLoads(config.loads), config.relays, config.poolCount);
  }

  onRecord(_from: number, words: Int32Array, at: number): void {
    switch (kindOf(words, at)) {
      case RecordKind.LISTEN:
        return this.#listen(readListen(words, at));
      case RecordKind.LISTEN_RANGE:
        return this.#addRange(readListenRange(words, at));
      case RecordKind.UNLISTEN:
        return this.#unlisten(readUnlisten(words, at));
      default:
        throw strayRecord(words, at);
    }
  }

  #addRange({ tunnelId, denies, bits, ip }: ListenRangeRecord): void {
    const ranges = this.#ranges.get(tunnelId) ?? [[], []];
    ranges[denies ? 1 : 0].push({ ip, bits });
    this.#ranges.set(tunnelId, ranges);
  }

  #listen({ tunnelId, control, tunnel, row, grant, port }: ListenRecord): void {
    const filter = filterOf(this.#ranges.get(tunnelId) ?? [[], []]);
    this.#ranges.delete(tunnelId);
    const hasRoom = this.#shares.hasRoom(grant);
    const fd = hasRoom ? listenOn(withPort(this.#config.rules[grant].bind, port)) : -Errno.EMFILE;
    const address = fd < 0 ? null : localAddress(fd as Descriptor);
    if (address === null) {
      return sendListening(this.#context.mailbox, CONTROL, tunnelId, port, fd < 0 ? -fd : Errno.EINVAL);
    }
    watchPeers(fd as Descriptor);
    unpace(fd as Descriptor);
    // inherited as well: sessions are guarded so, see StreamSocket, and a refused visitor is reset
    resetOnClose(fd as Descriptor);
    const opened = portOf(address);
    const fields = { port: opened, client: control, tunnel };
    const events: AcceptorEvents = {
      onAccept: (conn) => this.#onAccept(conn, door),
      onAcceptPaused: (reason) => this.#onAcceptPaused(reason, opened),
      whyNotAccept: (used) => this.#whyNotAccept(used, grant),
    };
    let acceptor: Acceptor;
    try {
      acceptor = new Acceptor(
        this.#context.loop,
        fd as Descriptor,
        events,
        this.#counts.laneOf(grant),
        this.#paused[grant],
      );
    } catch (error) {
      if (!isWatchShortage(error)) throw error;
      close(fd as Descriptor);
      return sendListening(this.#context.mailbox, CONTROL, tunnelId, port, error.code);
    }
    const door: Door = {
      control,
      tunnel,
      port: opened,
      row,
      grant,
      place: portPlaceOf(grant, opened),
      filter,
      refusals: refusalLimit({ loop: this.#context.loop, log: (...line) => this.#refusals[grant].log(...line) }),
      fields,
      acceptor,
    };
    this.#counts.count(Held.PORTS, grant, 1);
    this.#doors.set(tunnelId, door);
    this.#dealer.open(control);
    sendListening(this.#context.mailbox, CONTROL, tunnelId, opened, 0);
  }

  #onAcceptPaused(reason: string, port: number): void {
    this.#shortage.log("warning", "Cannot accept on a public port; visitors wait", { port, reason });
  }

  /** Every PublicConn needs a ProxyConn: as many descriptors as wait for one are as good as in use. */
  #whyNotAccept(now: number | null, grant: number): string | null {
    const { full } = this.#config;
    const used = this.#used = now ?? this.#used;
    // half of all is never too many, and then nothing need be counted
    const hasRoom = used * 2 < full || used + this.#room.waiting(this.#dealt) < full;
    // one visitor after the other is better than none, however few descriptors there are
    if (!hasRoom && this.#counts.inAll() > 0) return errnoWords(Errno.EMFILE);
    return this.#shares.hasRoom(grant) ? null : "the token has its share of the descriptors";
  }

  #onAccept(fd: Descriptor, door: Door): void {
    readLastIp(this.#ip);
    if (!this.#admits(door.filter)) {
      close(fd);
      return noteRefusal(this.#context, door.refusals, "Visitors are refused by allow or deny", door.fields);
    }
    if (!this.#limits.admits(door.grant, door.place, door.fields)) return void close(fd);
    paceFromAfar(fd);
    this.#deal(fd, door);
  }

  /** Whether both lists, the operator's and the client's, let in the visitor accepted last. */
  #admits(filter: AddressFilter | null): boolean {
    if (filter === null && this.#filter === null) return true;
    const ip = this.#ip;
    return (this.#filter === null || this.#filter.admits(ip)) && (filter === null || filter.admits(ip));
  }

  #deal(fd: Descriptor, { control, tunnel, port, row, place }: Door): void {
    const visitor = visitorHash(this.#ip, lastPort(), port);
    const relay = this.#dealer.deal(control);
    if (this.#context.logs("debug")) {
      const peer = formatAddress(lastAddress());
      this.#context.log("debug", "Visitor has come", { peer, client: control, tunnel, relay });
    }
    sendPublicConn(this.#context.mailbox, FIRST_RELAY + relay, fd, control, tunnel, row, place, visitor);
    this.#dealt = (this.#dealt + 1) | 0;
  }

  #unlisten(tunnelId: number): void {
    const door = this.#doors.get(tunnelId);
    if (door === undefined) return;
    door.acceptor.close();
    door.refusals.close();
    this.#doors.delete(tunnelId);
    this.#dealer.close(door.control);
    this.#counts.count(Held.PORTS, door.grant, -1);
    sendUnlistened(this.#context.mailbox, CONTROL, tunnelId);
  }

  onMessage(): void {}

  onPhase(phase: number): void {
    if (phase !== Phase.DRAIN) return;
    for (const [tunnelId, { acceptor }] of [...this.#doors]) {
      // visitors that the kernel has let in already are served
      acceptor.accept();
      this.#unlisten(tunnelId);
    }
  }

  dispose(): void {}
}

function filterOf([allow, deny]: Ranges): AddressFilter | null {
  return allow.length === 0 && deny.length === 0 ? null : new AddressFilter(allow, deny);
}

serveReactor((context, config) => new ServerAcceptor(context, config as AcceptorConfig));
