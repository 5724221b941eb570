// One direction of a session: source → pipe → destination by splice, byte-exact; or through user space, which is slower,
// when no pipe can be had. It knows neither frames nor notices.
import { Errno } from "../../ffi/errno.ts";
import { splice } from "../../ffi/pipe.ts";
import { peek, receive, send } from "../../ffi/socket.ts";
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

/** The most that a direction holds in its pipe, in bytes. A pipe counts slots and would take megabytes. */
const MOST_HELD = 1 << 20;
/** Rounds of fill and drain in a turn. */
const ROUNDS = 4;
/** From where moved bytes are counted to where lost ones are, the same in both directions. */
const LOST = Count.bytesLostToProxy - Count.bytesToProxy;

// one per Worker, for what passes without a pipe: it holds nothing from one call to the next
const copied = new Uint8Array(1 << 16);

/** One direction. Used for one session after the other. One thread. */
export class Flow {
  /** Bytes written to the destination in this session. */
  moved: number = 0;
  /** Bytes in the pipe. */
  held: number = 0;
  /** The exact length of this session's stream in bytes, Infinity until it is known. */
  limit: number = Infinity;
  /** The stream has ended and every byte of it is written. */
  ended: boolean = false;
  /** The source's stream itself ended (FIN), as opposed to the limit being reached. */
  sourceEnded: boolean = false;
  /** The errno of a failure, positive. */
  error: number = 0;
  readonly #pipes: PipePool;
  readonly #counters: Float64Array;
  readonly #column: number;
  /** Where moved bytes of this session are counted. */
  #place = 0;
  #pipe: Pipe | null = null;

  /**
   * Makes a direction.
   *
   * @param pipes The Worker's pipes.
   * @param counters The Worker's block.
   * @param column Where moved bytes are counted: Count.bytesToProxy or Count.bytesFromProxy.
   */
  constructor(pipes: PipePool, counters: Float64Array, column: number) {
    this.#pipes = pipes;
    this.#counters = counters;
    this.#column = column;
  }

  /** Makes it ready for another session, of the tunnel whose row begins there. */
  begin(tunnel: TunnelPlace): void {
    this.#place = tunnel + this.#column;
    this.moved = 0;
    this.held = 0;
    this.limit = Infinity;
    this.ended = false;
    this.sourceEnded = false;
    this.error = 0;
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
    if (this.held === 0 && this.#pipe !== null) {
      this.#pipes.give(this.#pipe);
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
    const { readEnd } = this.#pipe!;
    while (this.held > 0) {
      const count = splice(readEnd, destination.fd, this.held);
      if (count > 0) {
        this.held -= count;
        this.moved += count;
        this.#counters[this.#place] += count;
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
    this.#pipe ??= this.#pipes.take();
    const pipe = this.#pipe;
    if (pipe === null) return this.#copy(source, destination);
    const wanted = Math.min(MOST_HELD, this.limit - this.moved);
    const count = splice(source.fd, pipe.writeEnd, wanted);
    if (count > 0) {
      this.held = count;
      // fewer bytes than slots: the pipe was not the limit, so the source is empty and new data will be a new edge,
      // unless the end of the stream has been announced and must be read (epoll(7), Q9)
      if (count < pipe.slots && count < wanted && !source.hungUp) source.readable = false;
      return FlowStatus.MORE;
    }
    return this.#nothingCame(source, count);
  }

  /** What it means that a read brought no bytes: the end of the stream, none for now, or an error. */
  #nothingCame(source: StreamSocket, count: number): number {
    if (count === 0) {
      this.sourceEnded = true;
      return FlowStatus.MORE;
    }
    if (count === -Errno.EAGAIN) {
      source.readable = false;
      return FlowStatus.WAITS;
    }
    if (count === -Errno.EINTR) return FlowStatus.MORE;
    this.error = -count;
    return FlowStatus.SOURCE_FAILED;
  }

  /** Without a pipe nothing can be held: what the destination does not take stays in the source. */
  #copy(source: StreamSocket, destination: StreamSocket): number {
    const there = peek(source.fd, copied.subarray(0, Math.min(copied.length, this.limit - this.moved)));
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
    this.moved += taken;
    this.#counters[this.#place] += taken;
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

  #end(): number {
    if (this.limit !== Infinity && this.moved < this.limit) {
      // the stream was promised to be longer
      this.error = Errno.ECONNRESET;
      return FlowStatus.SOURCE_FAILED;
    }
    this.ended = true;
    return FlowStatus.ENDED;
  }

  /** Lets go of the pipe and the bytes in it. */
  abandon(): void {
    if (this.#pipe === null) return;
    this.#pipes.discard(this.#pipe);
    this.#pipe = null;
    this.#counters[this.#place + LOST] += this.held;
    this.held = 0;
  }
}
