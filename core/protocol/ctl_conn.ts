// A ctl_conn: a socket on which frames come and go, with heartbeats and an orderly end. It knows no message's meaning.
import { Errno } from "../../ffi/errno.ts";
import { receive, setLongestRepeat, setNoDelay, shutdownWrite, unsentBytes } from "../../ffi/socket.ts";
import type { Descriptor } from "../../ffi/descriptor.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import { FairTurns, type SlicedWork } from "../reactor/fair_turns.ts";
import { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";
import { receiveInto, sendPending } from "./frame_io.ts";
import { FrameReader, FrameWriter } from "./frames.ts";
import type { CtlMessage } from "./messages.ts";
import { ProtocolError } from "./protocol_error.ts";
import { MAX_FRAME_BYTES, MAX_FRAME_BYTES_BEFORE_LOGIN } from "./wire.ts";

/** Messages of one slice at most, and ms after which it takes no other one, so that a flood leaves time for the others. */
const SLICE_MESSAGES = 64;
const SLICE_MS = 0.5;
/** Receives in one turn of what is only thrown away. */
const ROUNDS = 16;
/** Bytes that may wait for a peer that does not read, before it is given up. */
const MOST_UNSENT = 4 << 20;
/**
 * Bytes that may wait for all peers of one party together, before each peer that more than a little waits for is given
 * up.
 */
const MOST_UNSENT_OF_PARTY = 32 << 20;
const LITTLE_UNSENT = 64 << 10;
/**
 * Ms at most between repeats of what the peer's kernel has not acknowledged: soon after a link is back, it is made up
 * for.
 */
const REPEAT_MS = 2000;
/** Ms for which a finished connection waits for the peer to have read the last frame. */
const LINGER_MS = 1000;

/** Bytes that wait to be sent to all peers of one party. */
export interface UnsentBytes {
  /** How many, 0 at first. Kept by the ctl_conns. */
  total: number;
}

/** The owner of a ctl_conn. */
export interface CtlConnOwner {
  /** A message other than CloseCtl has come. An exception of type ProtocolError closes the connection. */
  onMessage(message: CtlMessage): void;
  /**
   * The connection is gone, or tells its peer why it goes, which close() cuts short; called once, and not after
   * {@linkcode CtlConn.finish} or {@linkcode CtlConn.close}.
   */
  onClosed(reason: string): void;
}

/** One ctl_conn. One thread. */
export class CtlConn implements Task, TimerTarget, SlicedWork {
  /** Kept by the loop. */
  queued: boolean = false;
  /** Kept by FairTurns. */
  waiting: boolean = false;
  /** Whose share of a turn reading it takes. */
  party: unknown = null;
  /** Where its unsent bytes count together with the bytes of others; null while they do not. Set once. */
  unsent: UnsentBytes | null = null;
  /** How many of these bytes are its own. */
  #unsentHere = 0;
  /** Frames to send; call {@linkcode flushSoon} after appending. */
  readonly writer: FrameWriter = new FrameWriter();
  /** Called when the socket is let go of, however that came about, and also some time after {@linkcode finish}. */
  onReleased: (() => void) | null = null;
  readonly #loop: EventLoop;
  readonly #socket: StreamSocket;
  readonly #owner: CtlConnOwner;
  readonly #reader = new FrameReader(MAX_FRAME_BYTES_BEFORE_LOGIN);
  readonly #flush: Task;
  readonly #turns: FairTurns;
  readonly #timer = new Timer(this);
  /** Whole frames may have come that were not looked at: a slice was over. */
  #more = false;
  /** Anything has come. */
  #begun = false;
  /** Its time is over; it is judged once its socket has been read. */
  #overdue = false;
  #state: "open" | "finishing" | "closed" = "open";
  #heartbeatIntervalMs = 0;
  #timeoutMs: number;
  #lastHeard: number;

  /**
   * Takes over a connected socket. Until {@linkcode startHeartbeats}, frames are at most 1024 bytes and the connection is
   * closed after `greetingTimeoutMs`.
   *
   * @param loop The Worker's loop.
   * @param fd A non-blocking socket; this object's from now on.
   * @param owner Hears of it.
   * @param greetingTimeoutMs Ms for the whole login, 1 up.
   * @param turns Shares the time for reading among several ctl_conns. Default: this one has it for itself.
   */
  constructor(
    loop: EventLoop,
    fd: Descriptor,
    owner: CtlConnOwner,
    greetingTimeoutMs: number,
    turns: FairTurns = new FairTurns(loop),
  ) {
    this.#loop = loop;
    this.#turns = turns;
    this.#owner = owner;
    setNoDelay(fd);
    this.#socket = new StreamSocket(loop, fd);
    this.#socket.task = this;
    this.#flush = { queued: false, run: () => this.#flushNow() };
    this.#lastHeard = loop.now;
    this.#timeoutMs = greetingTimeoutMs;
    loop.setTimer(this.#timer, greetingTimeoutMs);
  }

  /** What has come and is in no message; after the end too. */
  get rest(): Uint8Array {
    return this.#reader.rest;
  }

  /** When anything came last, in ms of the loop's clock. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  /** Whether the peer's kernel has yet to acknowledge something. */
  get hasUnacknowledged(): boolean {
    return this.writer.length > 0 || unsentBytes(this.fd) > 0;
  }

  /** The descriptor, for asking about addresses. */
  get fd(): Descriptor {
    return this.#socket.fd;
  }

  /**
   * The login has succeeded: larger frames are legal, heartbeats are sent, and silence means death.
   *
   * @param intervalMs Ms between heartbeats.
   * @param timeoutMs Ms of silence after which the peer counts as dead.
   */
  startHeartbeats(intervalMs: number, timeoutMs: number): void {
    this.#reader.maxFrameBytes = MAX_FRAME_BYTES;
    this.#heartbeatIntervalMs = intervalMs;
    this.#timeoutMs = timeoutMs;
    setLongestRepeat(this.fd, REPEAT_MS);
    this.#loop.setTimer(this.#timer, intervalMs);
  }

  /**
   * Reads what has come already, without waiting for the first event.
   *
   * @param silentTimeoutMs Ms for the whole login if nothing has.
   */
  start(silentTimeoutMs: number): void {
    this.#socket.readable = true;
    if (this.slice()) this.#turns.add(this);
    if (!this.#begun && this.#state === "open") this.#loop.setTimer(this.#timer, silentTimeoutMs);
  }

  /** Ms since anything came from the peer. */
  get silenceMs(): number {
    return this.#loop.now - this.#lastHeard;
  }

  /** Appends a message and sends it at the end of this turn. */
  send(message: CtlMessage): void {
    if (this.#state !== "open") return;
    this.writer.append(message);
    this.flushSoon();
  }

  /** Sends at the end of this turn what was appended to {@linkcode writer}. */
  flushSoon(): void {
    if (this.#state === "open") this.#loop.enqueueLast(this.#flush);
  }

  /** Sees to it that what is ready is read and written. */
  run(): void {
    if (this.#state === "closed") return;
    if (this.#state === "finishing") return this.#sendRest();
    if (this.#socket.readable) this.#turns.add(this);
    if (this.writer.length > 0) this.#flushNow();
  }

  /** Takes the messages that have come, or receives once and takes what came; true when there may be more. */
  slice(): boolean {
    if (this.#state !== "open") return false;
    if (!this.#more) this.#receive();
    this.#takeMessages();
    const more = this.#mayReadOn();
    if (this.#overdue && (!more || this.#heartbeatIntervalMs === 0)) this.#judge();
    return more && this.#mayReadOn();
  }

  #mayReadOn(): boolean {
    return this.#state === "open" && (this.#more || this.#socket.readable);
  }

  #receive(): void {
    const count = receiveInto(this.#socket, this.#reader.room());
    if (typeof count === "string") return this.#lose(count);
    if (count === 0) return;
    this.#begun = true;
    this.#lastHeard = this.#loop.now;
    this.#reader.filled(count);
    this.#more = true;
  }

  #takeMessages(): void {
    if (!this.#more) return;
    const end = performance.now() + SLICE_MS;
    try {
      for (let taken = 0; taken < SLICE_MESSAGES; taken++) {
        const message = this.#reader.next();
        this.#more = message !== null;
        if (message === null) return;
        if (message.type === "CloseCtl") return this.#lose(`the other side says: ${message.reason}`);
        this.#owner.onMessage(message);
        if (this.#state !== "open" || performance.now() >= end) return;
      }
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#sayWhy(error.message);
    }
  }

  /** The peer is told what was wrong, before the connection ends. */
  #sayWhy(reason: string): void {
    if (this.#state !== "open") return;
    this.send({ type: "CloseCtl", reason });
    this.finish();
    this.#owner.onClosed(reason);
  }

  #flushNow(): void {
    const { writer } = this;
    if (this.#state !== "closed") {
      const failure = sendPending(this.#socket, writer);
      if (failure !== null) return this.#lose(failure);
    }
    this.#countUnsent(writer.length);
    const isTooMuch = this.unsent !== null && this.unsent.total > MOST_UNSENT_OF_PARTY && writer.length > LITTLE_UNSENT;
    if (writer.length > MOST_UNSENT || isTooMuch) this.#lose("the peer does not read");
  }

  #countUnsent(bytes: number): void {
    if (this.unsent === null) return;
    this.unsent.total += bytes - this.#unsentHere;
    this.#unsentHere = bytes;
  }

  /** Sends heartbeats, suspects a peer that is silent, and ends what takes too long. */
  onTimer(): void {
    if (this.#state !== "open") return this.close();
    const silence = this.#loop.now - this.#lastHeard;
    if (this.#heartbeatIntervalMs === 0 || silence >= this.#timeoutMs) {
      // the silence may be ours: after a pause of the process, or when others had the time to be read
      this.#overdue = true;
      this.#socket.readable = true;
      this.#turns.add(this);
    }
    if (this.#heartbeatIntervalMs === 0) return;
    this.send({ type: "Heartbeat" });
    const left = silence >= this.#timeoutMs ? Infinity : this.#timeoutMs - silence;
    this.#loop.setTimer(this.#timer, Math.min(this.#heartbeatIntervalMs, left));
  }

  /** Its time was over, and its socket has been read since. */
  #judge(): void {
    this.#overdue = false;
    if (this.#state !== "open") return;
    if (this.#heartbeatIntervalMs === 0) return this.#lose("no login in time");
    const silence = this.#loop.now - this.#lastHeard;
    if (silence >= this.#timeoutMs) this.#lose(`silent for ${Math.round(silence / 1000)} s`);
  }

  #lose(reason: string): void {
    if (this.#state !== "open") return this.close();
    this.close();
    this.#owner.onClosed(reason);
  }

  /** Sends what was appended, then ends: the peer gets to read the last frame. The owner hears nothing more. */
  finish(): void {
    if (this.#state !== "open") return;
    this.#state = "finishing";
    this.#loop.setTimer(this.#timer, LINGER_MS);
    this.#loop.enqueue(this);
    // a peer that is gone already closes it here
    this.#flushNow();
  }

  #sendRest(): void {
    this.#flushNow();
    // again is nothing
    if (this.writer.length === 0) shutdownWrite(this.fd);
    this.#discardInput();
  }

  /** Closing with unread input would be a reset, which may overtake the last frame. */
  #discardInput(): void {
    const scrap = new Uint8Array(4096);
    for (let round = 0; round < ROUNDS; round++) {
      const count = receive(this.fd, scrap);
      if (count === -Errno.EAGAIN) return;
      if (count <= 0 && count !== -Errno.EINTR) return this.close();
    }
    this.close();
  }

  /** Closes it at once. The owner hears nothing more. */
  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#countUnsent(0);
    this.#loop.timers.clear(this.#timer);
    this.#socket.close();
    this.onReleased?.();
  }
}
