// A ProxyConn on the client: it waits for the start of a session, connects the LocalConn, and frees itself after.
import { Errno } from "../../../ffi/errno.ts";
import type { ProxyId, SessionNo, TunnelNo } from "../../protocol/ids.ts";
import {
  decodeStartReq,
  encodeStartRsp,
  newStartReq,
  PROXY_FRAME_BYTES,
  START_ALIVE,
  START_CONNECTED,
  START_REFUSED,
  type StartStatus,
} from "../../protocol/proxy_frame.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import type { StreamSocket } from "../../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import type { TunnelRow } from "../../relay/counters.ts";
import { type Notices, ProxyConn } from "../../relay/proxy_conn.ts";
import type { ResetCause } from "../../relay/session_reset.ts";
import type { RelaySurroundings } from "../../relay/surroundings.ts";
import type { LocalConnector, LocalConnectorEvents } from "./local_connector.ts";
import type { LocalTarget } from "./local_target.ts";
import { LOOP_REASON } from "./loops.ts";
import { MOST_DEPTH } from "../loop_table.ts";

/** Ms for which a session may still start on a ProxyConn that is orphaned. */
const FAREWELL_MS = 3000;

// one of each per Worker: they are filled and used within one call
const rspFrame = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
const rspBytes = new Uint8Array(rspFrame.buffer);
const req = newStartReq();

/** Where the client's notices to the server go. */
export interface ClientProxyNotices extends Notices {
  /** Tells the server that a session is finished here. */
  free(proxy: ProxyId, session: SessionNo): void;
}

/** What the client's ProxyConns need of their Worker. */
export interface ClientProxyOwner extends ClientProxyNotices {
  /** Where a tunnel's LocalServer is; a target without an address when there is no such tunnel. */
  targetOf(tunnel: TunnelNo): LocalTarget;
  /** How many LocalConns of this client led one to the other and then to this visitor: see `loops.ts`. */
  depthOf(visitor: number): number;
  /** Where a tunnel is counted. */
  rowOf(tunnel: TunnelNo): TunnelRow;
  /** Lends what connects a LocalConn. Most ProxyConns have no use for one at most times. */
  borrowConnector(): LocalConnector;
  /** Takes it back, when it is done or cancelled. */
  returnConnector(connector: LocalConnector): void;
  /** It is closed. */
  onProxyClosed(proxy: ClientProxyConn): void;
}

/** See the file's head. One thread. */
export class ClientProxyConn extends ProxyConn<ClientProxyOwner> implements LocalConnectorEvents, TimerTarget {
  /** The server's relay Worker at the other end. */
  readonly worker: number;
  #connector: LocalConnector | null = null;
  /** Once it is orphaned without a session: when it ends. */
  #farewell: Timer | null = null;

  /** Makes an idle one of a socket that has sent its ticket. */
  constructor(id: ProxyId, worker: number, socket: StreamSocket, around: RelaySurroundings, owner: ClientProxyOwner) {
    super(id, socket, around, owner);
    this.worker = worker;
  }

  /** Handles whatever has become ready. */
  run(): void {
    switch (this.state) {
      case "idle":
        return this.#awaitStart();
      case "starting":
        return this.#watchStarting();
      case "relaying":
        return this.#relaySession();
      case "resetting":
        return this.pumpSession();
      case "finished":
      case "closed":
        return;
      default:
        return this.state satisfies never;
    }
  }

  #awaitStart(): void {
    if (!this.socket.readable) return;
    const received = this.around.frames.receive(this.socket);
    if (received === 0) return;
    if (received < 0) return this.close();
    try {
      decodeStartReq(this.around.frames.frame, req);
      if (req.session !== this.session + 1) throw new ProtocolError(`Session ${req.session} after ${this.session}`);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.debug("Data connection breaks the protocol", error.message);
      return this.close();
    }
    this.beginSession(req.session, this.owner.rowOf(req.tunnel));
    if (req.ask && !this.#respond(START_ALIVE)) return;
    const target = this.owner.targetOf(req.tunnel);
    if (this.around.debugging) {
      this.who = { name: target.name };
      this.debug("Session begins", `connecting to ${target.local}`);
    }
    if (!this.isNothing) this.#connect(target, this.owner.depthOf(req.visitor));
    if (this.state === "starting") this.pumpSession();
  }

  #connect(target: LocalTarget, depth: number): void {
    if (depth >= MOST_DEPTH) {
      target.leadsBack();
      return this.onLocalRefused(LOOP_REASON);
    }
    this.#connector = this.owner.borrowConnector();
    this.#connector.start(target, depth, this);
  }

  /** While connecting, payload stays in the socket; an error ends the attempt. */
  #watchStarting(): void {
    if (this.socket.failed) this.fail({ side: "proxy", code: Errno.ECONNRESET });
  }

  #respond(status: StartStatus, more = false): boolean {
    encodeStartRsp(rspFrame, this.session, status);
    if (this.around.frames.send(this.socket, rspBytes, more)) return true;
    this.fail({ side: "proxy", code: Errno.EPIPE });
    return false;
  }

  /** The LocalConn is there. */
  onLocalConnected(socket: StreamSocket): void {
    this.#returnConnector();
    this.attach(socket);
    this.relay.in.open = true;
    if (this.state === "resetting") return this.pumpSession();
    this.state = "relaying";
    this.#relaySession();
  }

  /** The response goes with the first payload, or with the end of the stream: one segment and one wake-up less. */
  #relaySession(): void {
    const endpoint = this.endpoint;
    if (!this.relay.out.open && endpoint !== null && endpoint.readable) {
      if (!this.#respond(START_CONNECTED, endpoint.hasInput)) return;
      this.relay.out.open = true;
    }
    this.pumpSession();
  }

  /** There is no LocalServer. Payload may be under way, and is thrown away when it comes. */
  onLocalRefused(reason: string): void {
    this.#returnConnector();
    this.debug("Local service refuses", reason);
    if (this.state === "resetting") return this.pumpSession();
    if (this.#respond(START_REFUSED)) this.refuse(true);
  }

  /** The LocalServer accepted and reset at once, perhaps behind an answer. */
  onLocalReset(code: number, socket: StreamSocket | null): void {
    this.#returnConnector();
    if (socket !== null) {
      this.attach(socket);
      this.relay.in.open = true;
    }
    this.fail({ side: "endpoint", code });
  }

  /** There may be a LocalConn yet. */
  protected override get awaitsEndpoint(): boolean {
    return this.#connector !== null;
  }

  /** What the visitor has sent in front of its reset is for the LocalServer, if there is one; otherwise it is not asked. */
  protected override onFailed(cause: ResetCause): void {
    const { in: inward, out } = this.relay;
    if (cause !== "told" || inward.limit === 0) this.#cancelConnector();
    // behind the start everything is payload
    if (this.endpoint === null) inward.open = true;
    if (cause === "proxy" || out.open || out.endTold) return;
    out.open = this.#respond(START_CONNECTED);
  }

  /** Both directions are over here: the server may start the next session. */
  protected override onSessionFinished(): void {
    this.state = "idle";
    this.owner.free(this.id, this.session);
    this.around.loop.enqueue(this);
  }

  /**
   * The start of a session may be on its way, which is served. What was told of the last session may be lost, and then the
   * server waits for its end, which the end of this connection tells.
   */
  protected override onOrphaned(): void {
    this.around.loop.setTimer(this.#farewell = new Timer(this), FAREWELL_MS);
  }

  /** No session has come. */
  onTimer(): void {
    if (this.state === "idle") this.close();
  }

  /** It is closed. */
  protected override onClosed(): void {
    if (this.#farewell !== null) this.around.loop.timers.clear(this.#farewell);
    this.#farewell = null;
    this.#cancelConnector();
    this.owner.onProxyClosed(this);
  }

  #cancelConnector(): void {
    this.#connector?.cancel();
    this.#returnConnector();
  }

  #returnConnector(): void {
    if (this.#connector !== null) this.owner.returnConnector(this.#connector);
    this.#connector = null;
  }
}
