// One direction of a session: source -> pipe -> destination by splice, byte-exact; or through user space, which is slower,
// when no pipe can be had. It knows neither frames nor notices.
import { Errno } from "../../ffi/errno.ts";
import { splice } from "../../ffi/pipe.ts";
import { discard, peek, receive, send } from "../../ffi/socket.ts";
import { mostHeld } from "./buffers.ts";
import { Count, type TunnelPlace } from "./counters.ts";
import type { Pipe, PipePool } from "./pipe_pool.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";

/** What {@linkcode Flow.pump} ended with. */
export const FlowStatus = {
  /** Waits for an event of its source or destination. */
  WAITS: 0,
  /** Its share of the turn is used up; there is more to do. */
  MORE: 1,
  /** The stream has ended and every byte of it is written. */
  ENDED: 2,
  /** The source failed, see `error`. */
  SOURCE_FAILED: 3,
  /** The destination failed, see `error`. */
  DESTINATION_FAILED: 4,
} as const;

/** Rounds of fill and drain in a turn. */
const ROUNDS = 4;
/** From where moved bytes are counted to where lost ones are, the same in both directions. */
const LOST = Count.bytesLostToProxy - Count.bytesToProxy;

// what is true of a direction, a bit each: as booleans they would be a third of the object
const OPEN = 1;
const SOURCE_ENDED = 2;
const ENDED = 4;
const END_TOLD = 8;

/** Bytes are counted in two small integers: V8 gives a number beyond 2^31 an object of its own. */
const GIBIBYTE = 1 << 30;

// one per Worker, for what passes without a pipe, or past a mark of urgent data: it holds nothing from one call to the next
const copied = new Uint8Array(1 << 16);

/** What the directions of a Worker share. */
export interface FlowMeans {
  /** The Worker's pipes. */
  readonly pipes: PipePool;
  /** The Worker's block. */
  readonly counters: Float64Array;
}

/** One direction. Used for one session after the other. One thread. */
export class Flow {
  /** The exact length of this session's stream in bytes, null until it is known. */
  limit: number | null = null;
  /** The errno of a failure, positive. */
  error: number = 0;
  readonly #means: FlowMeans;
  /** Where moved bytes of this session are counted. */
  #place = 0;
  #pipe: Pipe | null = null;
  #gibibytes = 0;
  #bytes = 0;
  #marks = 0;
  /** Bytes of this session that were read and will not be written. */
  #dropped = 0;

  /**
   * Makes a direction.
   *
   * @param means What it shares with the others of its Worker.
   */
  constructor(means: FlowMeans) {
    this.#means = means;
  }

  /**
   * Makes it ready for another session, and shut.
   *
   * @param tunnel Where the row of its tunnel begins.
   * @param column Where moved bytes are counted: Count.bytesToProxy or Count.bytesFromProxy.
   */
  begin(tunnel: TunnelPlace, column: number): void {
    this.#place = tunnel + column;
    this.limit = null;
    this.error = 0;
    this.#gibibytes = 0;
    this.#bytes = 0;
    this.#marks = 0;
    this.#dropped = 0;
  }

  /** Bytes written to the destination in this session. */
  get moved(): number {
    return this.#gibibytes * GIBIBYTE + this.#bytes;
  }

  #count(bytes: number): void {
    this.#means.counters[this.#place] += bytes;
    this.#bytes += bytes;
    if (this.#bytes < GIBIBYTE) return;
    this.#bytes -= GIBIBYTE;
    this.#gibibytes++;
  }

  /** Bytes read from the source in this session. */
  get taken(): number {
    return this.moved + this.held + this.#dropped;
  }

  /** Bytes in the pipe. */
  get held(): number {
    return this.#pipe === null ? 0 : this.#pipe.held;
  }

  /** Whether bytes may move: the two programs must agree on where the stream begins first. */
  get open(): boolean {
    return (this.#marks & OPEN) !== 0;
  }

  set open(open: boolean) {
    this.#marks = open ? this.#marks | OPEN : this.#marks & ~OPEN;
  }

  /** The stream has ended and every byte of it is written. */
  get ended(): boolean {
    return (this.#marks & ENDED) !== 0;
  }

  /** The source's stream itself ended (FIN), as opposed to the limit being reached. */
  get sourceEnded(): boolean {
    return (this.#marks & SOURCE_ENDED) !== 0;
  }

  /** Whoever waits for the end has been told of it. */
  get endTold(): boolean {
    return (this.#marks & END_TOLD) !== 0;
  }

  /** Says that the side that waits for the end has been told of it. */
  noteEndTold(): void {
    this.#marks |= END_TOLD;
  }

  /**
   * Moves bytes until an end would block, the stream ends, or the share of this turn is used up.
   *
   * @param source Where bytes come from.
   * @param destination Where they go.
   * @returns One of {@linkcode FlowStatus}. With an edge-triggered event anything but WAITS must be followed up.
   */
  pump(source: StreamSocket, destination: StreamSocket): number {
    const status = this.#pump(source, destination);
    if (this.#pipe !== null && this.#pipe.held === 0) {
      this.#means.pipes.give(this.#pipe);
      this.#pipe = null;
    }
    return status;
  }

  #pump(source: StreamSocket, destination: StreamSocket): number {
    for (let round = 0; round < ROUNDS; round++) {
      // what is in the pipe comes first: EAGAIN of a source means "empty" only when the pipe is empty too
      if (this.held > 0) {
        const status = this.#drain(destination);
        if (status !== FlowStatus.ENDED) return status;
      }
      if (this.sourceEnded || this.moved === this.limit) return this.#end();
      // with nothing held, a destination without room is not worth a pipe: its next edge asks the source again
      if (!source.readable || !destination.writable) return FlowStatus.WAITS;
      const status = this.#fill(source, destination);
      if (status !== FlowStatus.MORE) return status;
    }
    return FlowStatus.MORE;
  }

  /** ENDED: the pipe is empty. */
  #drain(destination: StreamSocket): number {
    if (!destination.writable) return FlowStatus.WAITS;
    const pipe = this.#pipe!;
    while (pipe.held > 0) {
      const count = splice(pipe.readEnd, destination.fd, pipe.held);
      if (count > 0) {
        pipe.held -= count;
        this.#count(count);
      } else if (count === -Errno.EAGAIN) {
        destination.writable = false;
        return FlowStatus.WAITS;
      } else if (count !== -Errno.EINTR) {
        this.error = count === 0 ? Errno.EPIPE : -count;
        return FlowStatus.DESTINATION_FAILED;
      }
    }
    return FlowStatus.ENDED;
  }

  /** MORE: something came, or the stream has ended. */
  #fill(source: StreamSocket, destination: StreamSocket): number {
    this.#pipe ??= this.#means.pipes.take();
    const pipe = this.#pipe;
    if (pipe === null) return this.#copy(source, destination);
    const wanted = this.#wanted(mostHeld());
    const count = splice(source.fd, pipe.writeEnd, wanted);
    if (count > 0) {
      pipe.held = count;
      // fewer bytes than slots: the pipe was not the limit, so the source is empty and new data will be a new edge,
      // unless the end of the stream has been announced and must be read (epoll(7), Q9)
      if (count < pipe.slots && count < wanted && !source.hungUp && !source.urgent) source.readable = false;
      return FlowStatus.MORE;
    }
    // splice stops in front of urgent data with EAGAIN, or with 0 once a FIN is behind it: only recv tells the end for
    // certain
    if (count === 0 || (count === -Errno.EAGAIN && source.urgent)) return this.#copy(source, destination);
    return this.#nothingCame(source, count);
  }

  /** How much of the stream may be read at once, up to `most` bytes. */
  #wanted(most: number): number {
    return this.limit === null ? most : Math.min(most, this.limit - this.moved);
  }

  /** What it means that a read brought no bytes: the end of the stream, none for now, or an error. */
  #nothingCame(source: StreamSocket, count: number): number {
    if (count === 0) {
      this.#marks |= SOURCE_ENDED;
      return FlowStatus.MORE;
    }
    if (count === -Errno.EAGAIN) {
      source.readable = false;
      source.urgent = false;
      return FlowStatus.WAITS;
    }
    if (count === -Errno.EINTR) return FlowStatus.MORE;
    this.error = -count;
    return FlowStatus.SOURCE_FAILED;
  }

  /**
   * Without a pipe, or where splice stops, nothing can be held: what the destination does not take stays in the source.
   */
  #copy(source: StreamSocket, destination: StreamSocket): number {
    const there = peek(source.fd, copied.subarray(0, this.#wanted(copied.length)));
    if (there <= 0) return this.#nothingCame(source, there);
    const taken = send(destination.fd, copied.subarray(0, there));
    if (taken === -Errno.EAGAIN) {
      destination.writable = false;
      return FlowStatus.WAITS;
    }
    if (taken === -Errno.EINTR) return FlowStatus.MORE;
    if (taken < 0) {
      this.error = -taken;
      return FlowStatus.DESTINATION_FAILED;
    }
    this.#count(taken);
    for (let left = taken; left > 0;) {
      const count = receive(source.fd, copied.subarray(0, left));
      if (count > 0) left -= count;
      else if (count !== -Errno.EINTR) {
        // what was seen is not there any more: the stream cannot go on
        this.error = count === 0 ? Errno.ECONNRESET : -count;
        return FlowStatus.SOURCE_FAILED;
      }
    }
    return FlowStatus.MORE;
  }

  /**
   * Throws away what comes, up to the limit, which is known. Nothing is held.
   *
   * @param source Where bytes come from.
   * @returns WAITS, ENDED, or SOURCE_FAILED.
   */
  skip(source: StreamSocket): number {
    while (!this.sourceEnded && this.taken < this.limit!) {
      if (!source.readable) return FlowStatus.WAITS;
      const count = discard(source.fd, this.limit! - this.taken);
      if (count > 0) {
        this.#drop(count);
        continue;
      }
      const status = this.#nothingCame(source, count);
      if (status !== FlowStatus.MORE) return status;
    }
    return this.taken === this.limit ? FlowStatus.ENDED : FlowStatus.SOURCE_FAILED;
  }

  #drop(bytes: number): void {
    this.#dropped += bytes;
    this.#means.counters[this.#place + LOST] += bytes;
  }

  #end(): number {
    if (this.limit !== null && this.moved < this.limit) {
      // the stream was promised to be longer
      this.error = Errno.ECONNRESET;
      return FlowStatus.SOURCE_FAILED;
    }
    this.#marks |= ENDED;
    return FlowStatus.ENDED;
  }

  /** Lets go of the pipe and the bytes in it. */
  abandon(): void {
    if (this.#pipe === null) return;
    this.#drop(this.#pipe.held);
    this.#means.pipes.discard(this.#pipe);
    this.#pipe = null;
  }
}
