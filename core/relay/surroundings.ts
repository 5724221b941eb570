// What the sessions of one relay Worker share: its loop, its pipes, its counters, and a way to speak of one connection.
import type { ProxyId, SessionNo } from "../protocol/ids.ts";
import type { EventLoop } from "../reactor/event_loop.ts";
import type { LogFields } from "../reactor/log_record.ts";
import type { ReactorContext } from "../reactor/reactor_worker.ts";
import { FramePort } from "./frame_port.ts";
import { Lingering } from "./lingering.ts";
import { PipePool } from "./pipe_pool.ts";

/** What a ProxyConn uses of its Worker. */
export interface RelaySurroundings {
  /** The Worker's loop. */
  readonly loop: EventLoop;
  /** The Worker's pipes. */
  readonly pipes: PipePool;
  /** The frames of its ProxyConns. */
  readonly frames: FramePort;
  /** What has failed and is not over yet. */
  readonly lingering: Lingering;
  /** The Worker's block of counters. */
  readonly counters: Float64Array;
  /** Whether debug lines are wanted: ask before building one on the hot path. */
  readonly debugging: boolean;
  /**
   * Writes a debug line about one connection, if such lines are wanted. All lines of one, on both sides, have the same
   * `connection`: the numbers of its ProxyConn and session.
   *
   * @param who The tunnel and the visitor, as far as this side knows them.
   */
  debug(message: string, proxy: ProxyId, session: SessionNo, who: LogFields, detail: string): void;
}

/**
 * Makes the surroundings of a relay Worker.
 *
 * @param context The Worker.
 * @param counters Its block.
 * @param pipes How many pipes it may have at a time.
 */
export function surroundingsOf(context: ReactorContext, counters: Float64Array, pipes: number): RelaySurroundings {
  const debugging = context.logs("debug");
  return {
    loop: context.loop,
    pipes: new PipePool(pipes),
    frames: new FramePort(),
    lingering: new Lingering(context.loop),
    counters,
    debugging,
    debug(message, proxy, session, who, detail) {
      if (debugging) context.log("debug", message, { connection: `${proxy}-${session}`, ...who, detail });
    },
  };
}
