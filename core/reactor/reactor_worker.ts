// The frame of every reactor Worker: it takes its start message, runs the loop, and reports how that ended.
import { EventLoop } from "./event_loop.ts";
import { LOG_LEVELS, type LogFields, type LogLevel } from "./log_record.ts";
import { Mailbox, type MailHandler, type Wiring } from "./mailbox.ts";
import { Phase } from "./shared_state.ts";

/** The first message to a Worker. */
export interface WorkerStart {
  /** Its part of the wiring. */
  readonly wiring: Wiring;
  /** The least level that is posted. */
  readonly logLevel: LogLevel;
  /** The configuration of this kind of Worker; plain data. */
  readonly config: unknown;
}

/** A post of a Worker to the supervisor. */
export type WorkerPost =
  | { readonly kind: "ready" }
  | { readonly kind: "log"; readonly level: LogLevel; readonly message: string; readonly fields: LogFields }
  | { readonly kind: "report"; readonly report: unknown }
  | { readonly kind: "failed"; readonly message: string; readonly stack: string }
  | { readonly kind: "stopped" };

/** The parts of a Worker that its reactor may use, in the Worker's thread. */
export interface ReactorContext {
  /** The Worker's loop. */
  readonly loop: EventLoop;
  /** How to speak to other Workers. */
  readonly mailbox: Mailbox;
  /** Whether records of a level are wanted: ask before building one on the hot path. */
  logs(level: LogLevel): boolean;
  /** Posts a log record to the supervisor, if its level is wanted. */
  log(level: LogLevel, message: string, fields?: LogFields): void;
  /** Posts something else to the supervisor. */
  report(report: unknown): void;
}

/** A reactor: it handles mail, and frees its resources when the loop ends. */
export interface Reactor extends MailHandler {
  /** Called once after the last turn. */
  dispose(): void;
}

const scope = self as unknown as {
  onmessage: ((event: MessageEvent<WorkerStart>) => void) | null;
  postMessage(post: WorkerPost): void;
  close(): void;
};

/**
 * Makes the current Worker a reactor. The loop blocks in epoll_wait and never returns to the JavaScript event queue, so
 * nothing in a reactor may use a promise.
 *
 * @param create Builds the reactor from its context and the configuration of {@linkcode WorkerStart}.
 */
export function serveReactor(create: (context: ReactorContext, config: unknown) => Reactor): void {
  scope.onmessage = ({ data }) => {
    try {
      runReactor(data, create);
      scope.postMessage({ kind: "stopped" });
    } catch (error) {
      const { message, stack } = error instanceof Error ? error : new Error(String(error));
      scope.postMessage({ kind: "failed", message, stack: stack ?? "" });
    }
    scope.close();
  };
}

function runReactor(start: WorkerStart, create: (context: ReactorContext, config: unknown) => Reactor): void {
  const loop = new EventLoop();
  const mailbox = new Mailbox(start.wiring);
  const least = LOG_LEVELS.indexOf(start.logLevel);
  const logs = (level: LogLevel) => LOG_LEVELS.indexOf(level) >= least;
  const context: ReactorContext = {
    loop,
    mailbox,
    logs,
    log(level, message, fields = {}) {
      if (!logs(level)) return;
      mailbox.countPost();
      scope.postMessage({ kind: "log", level, message, fields });
    },
    report(report) {
      mailbox.countPost();
      scope.postMessage({ kind: "report", report });
    },
  };
  const reactor = create(context, start.config);
  loop.onWatchRefused = (reason) => {
    if (!mailbox.mayTellShortage()) return;
    context.log("warning", "The kernel watches no more connections for this user, and new ones are refused", {
      reason,
      limit: "fs.epoll.max_user_watches",
    });
  };
  mailbox.setHandler({
    onRecord: (from, words, at) => reactor.onRecord(from, words, at),
    onMessage: (message) => reactor.onMessage(message),
    onPhase(phase) {
      reactor.onPhase(phase);
      if (phase === Phase.STOP) loop.stop();
    },
  });
  loop.addConnection(mailbox);
  loop.setMail(mailbox);
  scope.postMessage({ kind: "ready" });
  loop.run();
  reactor.dispose();
  loop.dispose();
}
