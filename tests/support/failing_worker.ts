// A Worker that fails at the time that its configuration says, for the program in failing_program.ts.

import { Errno, SystemError } from "../../ffi/errno.ts";
import { serveReactor } from "../../core/reactor/reactor_worker.ts";
import { Timer } from "../../core/reactor/timer_queue.ts";

const fail = () => {
  throw new SystemError("epoll_wait", Errno.EINVAL, "being tested");
};

serveReactor(({ loop }, config) => {
  if (config === "at start") fail();
  if (config === "later") loop.setTimer(new Timer({ onTimer: fail }), 50);
  return { onRecord() {}, onMessage() {}, onPhase() {}, dispose() {} };
});
