// A ProxyConn on the server: it starts sessions for PublicConns, and waits for the client to free it after each.
import { Errno } from "../../../ffi/errno.ts";
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { localAddress, peerAddress, unsentBytes } from "../../../ffi/socket.ts";
import { formatAddress, type SocketAddress } from "../../../ffi/socket_address.ts";
import type { ControlId, ProxyId, SessionNo, TunnelNo } from "../../protocol/ids.ts";
import {
  decodeStartRsp,
  encodeStartReq,
  newStartRsp,
  PROXY_FRAME_BYTES,
  START_ALIVE,
  START_ASK,
  START_CONNECTED,
  START_REFUSED,
} from "../../protocol/proxy_frame.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { Linked, LinkedList } from "../../reactor/linked_list.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { Count } from "../../relay/counters.ts";
import { type Notices, ProxyConn } from "../../relay/proxy_conn.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { PortPlace } from "../connection_counts.ts";
import type { TokenAccount } from "../token_shares.ts";
import type { PublicConn } from "./public_conn.ts";

/** Ms of silence after which a connection is not trusted before it has answered: a NAT may have forgotten it. */
export const ASK_AFTER_MS = 3000;
/** Ms to answer. */
const ANSWER_MS = 2000;
const LAST_SESSION = 0xffff_ffff;

// one of each per Worker: they are filled and used within one call
const reqFrame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
const reqBytes = new Uint8Array(reqFrame.buffer);
const rsp = newStartRsp();

/** The owner of the server's ProxyConns. */
export interface ServerProxyOwner extends Notices {
  /** The client. */
  readonly control: ControlId;
  /** Where it is counted while it has no PublicConn. */
  readonly account: TokenAccount;
  /** It is idle and may be used again. */
  onIdle(proxy: ServerProxyConn): void;
  /** It is finished here, and the client has not freed it yet. */
  onUnfreed(proxy: ServerProxyConn): void;
  /** It did not answer in time, and is closed. */
  onSilent(proxy: ServerProxyConn): void;
  /** It was dead before any payload left: its PublicConn needs another one. */
  onUnserved(conn: PublicConn): void;
  /** The PublicConn of a session is closed. */
  onPublicClosed(place: PortPlace): void;
  /** It is closed. */
  onProxyClosed(proxy: ServerProxyConn): void;
}

/** See the file's head. One thread. */
export class ServerProxyConn extends ProxyConn<ServerProxyOwner> implements TimerTarget, Linked<ServerProxyConn> {
  /** Which of its owner's lists it is in. Kept by the list, as the other two. */
  list: LinkedList<ServerProxyConn> | null = null;
  /** What comes before it there. */
  before: ServerProxyConn | null = null;
  /** What comes after it there. */
  after: ServerProxyConn | null = null;
  /** Kept for the loop: whose turn it is. */
  readonly lane: number;
  /** Since when it has been idle or finished, in whole ms of the loop's clock: a fraction would cost an object. */
  idleSince: number;
  /** While it is asked: until when the answer is waited for. */
  #asking: Timer | null = null;
  #conn: PublicConn | null = null;
  #freed = false;
  /** The port of the present PublicConn. */
  #place = 0 as PortPlace;
  /** Whether it is counted as one without a PublicConn. */
  #spare = false;

  /** Makes an idle one of a socket that has shown its ticket. */
  constructor(id: ProxyId, socket: StreamSocket, around: RelaySurroundings, owner: ServerProxyOwner) {
    super(id, socket, around, owner);
    this.lane = owner.account.lane;
    this.idleSince = Math.floor(around.loop.now);
    this.#countAsSpare(true);
  }

  #countAsSpare(spare: boolean): void {
    if (spare === this.#spare) return;
    this.#spare = spare;
    this.owner.account.countSpare(spare ? 1 : -1);
  }

  /** Whether it has been idle for so long that it is asked first. */
  get isDoubtful(): boolean {
    return this.around.loop.now - this.idleSince > ASK_AFTER_MS;
  }

  /** Whether the client's kernel has not taken everything yet. */
  get hasUnsent(): boolean {
    return unsentBytes(this.socket.fd) > 0;
  }

  /**
   * Starts a session.
   *
   * @param conn The PublicConn; it goes back to the owner if this ProxyConn turns out later to be dead.
   * @returns False when it turned out to be dead at once: it is closed, and the PublicConn needs another one.
   */
  start(conn: PublicConn): boolean {
    const session = (this.session + 1) as SessionNo;
    this.#conn = conn;
    this.#place = conn.place;
    this.#countAsSpare(false);
    const asks = this.isDoubtful;
    this.#freed = false;
    this.beginSession(session, conn.row);
    this.attach(conn.socket);
    if (this.around.debugging) this.#introduce(conn.socket.fd);
    encodeStartReq(reqFrame, session, conn.tunnel as TunnelNo, asks ? START_ASK : 0, conn.visitor);
    if (!this.around.frames.send(this.socket, reqBytes, !asks && conn.socket.hasInput)) {
      this.#discard();
      return false;
    }
    if (asks) this.around.loop.setTimer(this.#asking = new Timer(this), ANSWER_MS);
    else this.#trust();
    this.pumpSession();
    return true;
  }

  #introduce(fd: Descriptor): void {
    const [visitor, port] = [peerAddress(fd), localAddress(fd)];
    const shown = (address: SocketAddress | null) => address === null ? "unknown" : formatAddress(address);
    this.who = { client: this.owner.control, public: shown(port), visitor: shown(visitor) };
    this.debug("Session begins", "a visitor has come");
  }

  /** Handles whatever has become ready. */
  run(): void {
    switch (this.state) {
      case "idle":
      case "finished":
        return this.#watchIdle();
      case "starting":
      case "resetting":
        this.#readResponses();
        return this.pumpSession();
      case "relaying":
        return this.pumpSession();
      case "closed":
        return;
      default:
        return this.state satisfies never;
    }
  }

  /** Between sessions the client sends nothing: bytes are a violation, the end of the stream its end. */
  #watchIdle(): void {
    if (this.socket.readable && this.around.frames.receive(this.socket) !== 0) this.close();
  }

  /** Up to where payload begins, which a session that has failed must find as well. */
  #readResponses(): void {
    while (this.inSession && !this.relay.in.open && this.socket.readable) {
      const received = this.around.frames.receive(this.socket);
      if (received === 0) return;
      if (received < 0) {
        return this.#asking !== null ? this.#passOn() : this.fail({ side: "proxy", code: Errno.ECONNRESET });
      }
      try {
        decodeStartRsp(this.around.frames.frame, rsp);
      } catch (error) {
        if (!(error instanceof ProtocolError)) throw error;
        this.debug("Data connection breaks the protocol", error.message);
        return this.fail({ side: "proxy", code: Errno.ECONNRESET });
      }
      if (rsp.session !== this.session) return this.fail({ side: "proxy", code: Errno.ECONNRESET });
      this.#onResponse();
    }
  }

  #stopAsking(): void {
    if (this.#asking !== null) this.around.loop.timers.clear(this.#asking);
    this.#asking = null;
  }

  /** Payload may go: from here on there is no other ProxyConn for this PublicConn. */
  #trust(): void {
    this.#conn = null;
    if (this.state !== "resetting") this.relay.out.open = true;
  }

  #onResponse(): void {
    this.#stopAsking();
    switch (rsp.status) {
      case START_ALIVE:
        return this.#trust();
      case START_CONNECTED:
        this.relay.in.open = true;
        if (this.state === "starting") this.state = "relaying";
        return this.#trust();
      case START_REFUSED:
        this.relay.in.open = true;
        this.relay.in.limit = 0;
        if (this.state === "starting") this.refuse(false);
        return;
      default:
        return rsp.status satisfies never;
    }
  }

  /** No answer in time. */
  onTimer(): void {
    this.#passOn(true);
  }

  /** Dead before payload was trusted to it: the PublicConn gets another one, and nothing is lost. */
  #passOn(silent = false): void {
    const conn = this.#conn!;
    this.#discard();
    if (silent) this.owner.onSilent(this);
    this.owner.onUnserved(conn);
  }

  #discard(): void {
    this.debug("Data connection does not answer", "taking another one");
    this.endpoint = null;
    this.around.counters[this.tunnel + Count.sessionsOpened]--;
    this.socket.reset();
    this.close();
  }

  /** The client is finished with a session. */
  onFree(session: SessionNo): void {
    if (session !== this.session || (!this.inSession && this.state !== "finished")) return;
    this.#freed = true;
    if (this.state === "finished") this.#becomeIdle();
  }

  /** Both directions have ended here. A ProxyConn that its client does not free is kept only while there are few. */
  protected override onSessionFinished(): void {
    if (this.#freed) return this.#becomeIdle();
    if (!this.owner.account.maySpareStay) return this.close();
    this.idleSince = Math.floor(this.around.loop.now);
    this.owner.onUnfreed(this);
  }

  #becomeIdle(): void {
    if (this.session === LAST_SESSION) return this.close();
    this.state = "idle";
    this.idleSince = Math.floor(this.around.loop.now);
    this.owner.onIdle(this);
  }

  /** An answer is read, but not waited for: the PublicConn needs no other ProxyConn. */
  protected override onFailed(): void {
    this.#stopAsking();
    this.#conn = null;
  }

  /** One connection less. */
  protected override onEndpointClosed(): void {
    this.#countAsSpare(true);
    this.owner.onPublicClosed(this.#place);
  }

  /** One connection less, later. */
  protected override onceEndpointClosed(): () => void {
    this.#countAsSpare(true);
    const place = this.#place;
    return () => this.owner.onPublicClosed(place);
  }

  /** There will be no other session on it. */
  protected override onOrphaned(): void {
    this.close();
  }

  /** It is closed. */
  protected override onClosed(): void {
    this.#stopAsking();
    this.#conn = null;
    this.owner.onProxyClosed(this);
  }

  /** What the client neither reads nor settles is kept only while there is little of it. */
  protected override get mayLinger(): boolean {
    return !this.owner.account.hasTooManySpares;
  }

  /** It takes no descriptor any more. */
  protected override onSocketClosed(): void {
    this.#countAsSpare(false);
  }
}
