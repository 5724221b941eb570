// The surroundings of a ProxyConn that a test plays a relay Worker for: nothing is logged.

import type { EventLoop } from "../../core/reactor/event_loop.ts";
import { FramePort } from "../../core/relay/frame_port.ts";
import { Lingering } from "../../core/relay/lingering.ts";
import type { PipePool } from "../../core/relay/pipe_pool.ts";
import type { RelaySurroundings } from "../../core/relay/surroundings.ts";

/** Surroundings with these parts. */
export function quietSurroundings(loop: EventLoop, pipes: PipePool, counters: Float64Array): RelaySurroundings {
  return {
    loop,
    pipes,
    frames: new FramePort(),
    lingering: new Lingering(loop),
    counters,
    debugging: false,
    debug() {},
  };
}
