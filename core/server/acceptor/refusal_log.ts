// Says that PublicClients were refused by a rule, once a minute at most: whoever is refused may come often.
import { lastAddress } from "../../../ffi/socket.ts";
import { formatAddress } from "../../../ffi/socket_address.ts";
import type { LogFields } from "../../reactor/log_record.ts";
import type { ReactorContext } from "../../reactor/reactor_worker.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";

const INTERVAL_MS = 60_000;

/** What a log needs of its Worker. */
export type LogContext = Pick<ReactorContext, "loop" | "logs" | "log">;

/** The log of one rule. */
export class RefusalLog implements TimerTarget {
  readonly #context: LogContext;
  readonly #message: string;
  readonly #fields: LogFields;
  readonly #timer = new Timer(this);
  #unlogged = 0;

  /**
   * Makes a log.
   *
   * @param context The Worker.
   * @param message What the lines are about.
   * @param fields What every line says.
   */
  constructor(context: LogContext, message: string, fields: LogFields) {
    this.#context = context;
    this.#message = message;
    this.#fields = fields;
  }

  /**
   * Notes that whoever was accepted last is refused.
   *
   * @param fields What a line about this one says besides.
   */
  note(fields: LogFields = {}): void {
    const debug = this.#context.logs("debug");
    if (!debug && this.#timer.isSet) return void this.#unlogged++;
    const peer = formatAddress(lastAddress());
    if (debug) this.#context.log("debug", "PublicClient is refused", { ...this.#fields, ...fields, peer });
    if (this.#timer.isSet) this.#unlogged++;
    else this.#write({ ...fields, refused: 1, peer });
  }

  #write(fields: LogFields): void {
    this.#unlogged = 0;
    this.#context.log("info", this.#message, { ...this.#fields, ...fields });
    this.#context.loop.setTimer(this.#timer, INTERVAL_MS);
  }

  /** A minute has passed since the last line. */
  onTimer(): void {
    if (this.#unlogged > 0) this.#write({ refused: this.#unlogged });
  }

  /** There will be no more. */
  close(): void {
    this.#context.loop.timers.clear(this.#timer);
  }
}
