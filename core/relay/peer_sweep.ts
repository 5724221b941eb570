// Finds peers that are gone although bytes are under way to them. The kernel's own limit (TCP_USER_TIMEOUT) would count
// the time for which a peer that is there does not read, too. It looks at all connections of a relay Worker now and
// then, some of them in each turn, and remembers peers that have not answered.
import { Errno } from "../../ffi/errno.ts";
import { peerAddress } from "../../ffi/socket.ts";
import { formatAddress } from "../../ffi/socket_address.ts";
import { TcpInfo } from "../../ffi/tcp_info.ts";
import type { Channel, EventLoop, Task } from "../reactor/event_loop.ts";
import { LogLimit } from "../reactor/log_limit.ts";
import type { ReactorContext } from "../reactor/reactor_worker.ts";
import { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { NoticeConn } from "./notice_conn.ts";
import { ProxyConn } from "./proxy_conn.ts";
import { Tail } from "./tail.ts";

/** How patient a {@linkcode PeerSweep} is. */
export interface PeerPatience {
  /** Ms between two looks at the same connection. */
  readonly lookMs: number;
  /** Ms for which payload may stay unanswered: the peer is found at most two looks later. */
  readonly payloadMs: number;
  /** Ms for which notices may: then the ends of streams are told by FIN, which costs only ProxyConns. */
  readonly noticesMs: number;
}

const PATIENCE: PeerPatience = { lookMs: 5000, payloadMs: 60_000, noticesMs: 10_000 };
/** Connections whose kernel is asked about them in one turn, and that are passed by in one at most. */
const SHARE = 256;
const PASSED = 4096;
/** How often the kernel must have sent in vain: one loss, or two, is none of a peer. */
const TRIES = 3;
/** Lines a minute about ways that lose large packets. */
const HOLE_LINES = 1;

/** What a connection was like when it was first seen without an answer. */
interface Doubt {
  /** Ms of the loop's clock. */
  readonly since: number;
  readonly bytesAcknowledged: number;
  readonly segmentsIn: number;
  readonly allRepeats: number;
}

/** See the file's head. One thread. */
export class PeerSweep implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  readonly #patience: PeerPatience;
  readonly #holes: LogLimit;
  readonly #timer = new Timer(this);
  readonly #info = new TcpInfo();
  /** Where the present round is; null between two rounds. */
  #round: Iterator<Channel> | null = null;
  /** What the last round has found, and what the present one finds. */
  #doubts = new Map<StreamSocket, Doubt>();
  #found = new Map<StreamSocket, Doubt>();

  /**
   * Starts to look after every ProxyConn, endpoint and notice connection of a loop.
   *
   * @param context The Worker.
   * @param patience Default: payload may stay unanswered for 60 s, notices for 10 s.
   */
  constructor(context: Pick<ReactorContext, "loop" | "log">, patience: PeerPatience = PATIENCE) {
    const { loop } = context;
    this.#loop = loop;
    this.#holes = new LogLimit(context, { lines: HOLE_LINES });
    this.#patience = patience;
    loop.setTimer(this.#timer, patience.lookMs);
  }

  /** Begins a round. */
  onTimer(): void {
    this.#round = this.#loop.channels()[Symbol.iterator]();
    this.run();
  }

  /** Looks at some connections, and goes on in the next turn if there are more. */
  run(): void {
    if (this.#round === null) return;
    for (let looks = 0, passed = 0; looks < SHARE && passed < PASSED; passed++) {
      const { done, value } = this.#round.next();
      if (done) return this.#endRound();
      if (value instanceof StreamSocket && this.#look(value)) looks++;
    }
    this.#loop.enqueue(this);
  }

  #endRound(): void {
    this.#round = null;
    this.#doubts = this.#found;
    this.#found = new Map();
    this.#loop.setTimer(this.#timer, this.#patience.lookMs);
  }

  /** False for a connection at rest, which costs no call: a client may have thousands of them. */
  #look(socket: StreamSocket): boolean {
    const conn = socket.task;
    if (conn instanceof ProxyConn) {
      if (conn.state === "idle") return false;
      if (this.#isGone(socket, this.#patience.payloadMs)) {
        conn.fail({ side: socket === conn.socket ? "proxy" : "endpoint", code: Errno.ETIMEDOUT });
      }
    } else if (conn instanceof Tail) {
      if (this.#isGone(socket, this.#patience.payloadMs)) conn.onPeerGone();
    } else if (conn instanceof NoticeConn) {
      if (!conn.mayAwaitPeer) return false;
      if (this.#isGone(socket, this.#patience.noticesMs)) conn.onPeerGone();
      else conn.mayAwaitPeer = this.#found.has(socket);
    } else return false;
    return true;
  }

  #isGone(socket: StreamSocket, limitMs: number): boolean {
    const info = this.#info;
    // a peer that does not read has acknowledged what it was sent, and answers each question whether it does again
    if (!info.read(socket.fd) || (info.unacknowledged === 0 && info.probes === 0)) return false;
    const doubt = this.#doubts.get(socket);
    const { now } = this.#loop;
    if (doubt === undefined || doubt.bytesAcknowledged !== info.bytesAcknowledged) return this.#doubt(socket);
    const silent = doubt.segmentsIn === info.segmentsIn;
    // heard, and not asked in vain: a look may fall between a question and its answer
    if (!silent && info.repeats === 0) return this.#doubt(socket);
    const tries = silent ? Math.max(info.probes, (info.allRepeats - doubt.allRepeats) | 0, info.repeats) : info.repeats;
    if (now - doubt.since >= limitMs && tries >= TRIES) {
      if (info.repeats >= TRIES && !(silent && info.hasTakenSegment)) this.#tellHole(socket);
      return true;
    }
    this.#found.set(socket, doubt);
    return false;
  }

  /**
   * What was sent again and again does not arrive, though the peer is heard, or has taken what is smaller: a way whose
   * largest packets get lost (RFC 2923, section 2.1), where the peer has not just vanished in front of its first
   * packet.
   */
  #tellHole(socket: StreamSocket): void {
    const peer = peerAddress(socket.fd);
    this.#holes.log("warning", "Large packets seem to get lost where small ones arrive; a connection is reset", {
      peer: peer === null ? "unknown" : formatAddress(peer),
      help: "net.ipv4.tcp_mtu_probing=1 on this host",
    });
  }

  #doubt(socket: StreamSocket): false {
    const { bytesAcknowledged, segmentsIn, allRepeats } = this.#info;
    this.#found.set(socket, { since: this.#loop.now, bytesAcknowledged, segmentsIn, allRepeats });
    return false;
  }
}
