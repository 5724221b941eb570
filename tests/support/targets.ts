// A LocalServer as a connector of a test knows it: where it is, and nothing is logged.

import { LocalTarget } from "../../core/client/relay/local_target.ts";
import { allocateLoopTable, LoopTable } from "../../core/client/loop_table.ts";
import { Loops } from "../../core/client/relay/loops.ts";
import type { SocketAddress } from "../../ffi/socket_address.ts";

/** A target with these addresses, or with a name that `ask` asks for. */
export function targetAt(addresses: readonly SocketAddress[] | null, ask: () => void = () => {}): LocalTarget {
  return new LocalTarget({ name: "web", local: "test" }, addresses, { ask, onRefused() {}, onLoop() {} });
}

/** Of a client whose tunnels have no public port. */
export function noLoops(): Loops {
  return new Loops(new LoopTable(allocateLoopTable()), { at: () => targetAt([]) });
}
