// Says that PublicClients were refused on a public port, once a minute at most: whoever is refused may come often.
import { lastAddress } from "../../ffi/socket.ts";
import { formatAddress } from "../../ffi/socket_address.ts";
import type { LogFields, ReactorContext } from "../reactor/reactor_worker.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

const INTERVAL_MS = 60_000;

/** The log of one public port. */
export class RefusalLog implements TimerTarget {
  readonly #context: ReactorContext;
  readonly #fields: LogFields;
  readonly #timer = new Timer(this);
  #unlogged = 0;

  /**
   * Makes a log.
   *
   * @param context The Worker.
   * @param fields What every line says.
   */
  constructor(context: ReactorContext, fields: LogFields) {
    this.#context = context;
    this.#fields = fields;
  }

  /** Notes that whoever was accepted last is refused. */
  note(): void {
    const debug = this.#context.logs("debug");
    if (!debug && this.#timer.isSet) return void this.#unlogged++;
    const peer = formatAddress(lastAddress());
    if (debug) this.#context.log("debug", "PublicClient is refused", { ...this.#fields, peer });
    if (this.#timer.isSet) this.#unlogged++;
    else this.#write({ refused: 1, peer });
  }

  #write(fields: LogFields): void {
    this.#unlogged = 0;
    this.#context.log("info", "PublicClients are refused by allow or deny", { ...this.#fields, ...fields });
    this.#context.loop.setTimer(this.#timer, INTERVAL_MS);
  }

  /** A minute has passed since the last line. */
  onTimer(): void {
    if (this.#unlogged > 0) this.#write({ refused: this.#unlogged });
  }

  /** The port is closed. */
  close(): void {
    this.#context.loop.timers.clear(this.#timer);
  }
}
