// A fresh connection to the proxy port: its preamble names the relay Worker that shall have it. Nothing more is read here.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { parsePreamble, PREAMBLE_BYTES } from "../protocol/preamble.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { Channel, EventLoop } from "../reactor/event_loop.ts";
import { ExactReceiver } from "../reactor/exact_receiver.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

/** Ms for the preamble to arrive. */
const PREAMBLE_MS = 5000;

/** How reading a preamble went. */
export interface PreambleEvents {
  /** The connection, watched by nobody any more, is for this relay Worker (0 up, unchecked). */
  onPreamble(fd: Descriptor, relay: number): boolean;
  /** The connection was closed. */
  onPreambleRefused(reason: string): void;
}

/** See the file's head. One thread. */
export class PreambleReader implements Channel, TimerTarget {
  /** The connection. */
  readonly fd: Descriptor;
  readonly #loop: EventLoop;
  readonly #events: PreambleEvents;
  readonly #receiver = new ExactReceiver(PREAMBLE_BYTES);
  readonly #timer = new Timer(this);
  #watched = false;

  /** Reads what has come already; watches the connection only if the preamble is not complete yet. */
  constructor(loop: EventLoop, fd: Descriptor, events: PreambleEvents) {
    this.fd = fd;
    this.#loop = loop;
    this.#events = events;
    if (this.#read()) return;
    this.#watched = true;
    loop.addConnection(this);
    loop.setTimer(this.#timer, PREAMBLE_MS);
  }

  /** Reads on. */
  onEvents(): void {
    this.#read();
  }

  /** True when it is over, one way or the other. */
  #read(): boolean {
    const received = this.#receiver.receive(this.fd);
    if (received === 0) return false;
    if (received < 0) return this.#refuse("it ended before its preamble");
    try {
      const relay = parsePreamble(this.#receiver.view);
      this.#unwatch();
      if (!this.#events.onPreamble(this.fd, relay)) return this.#refuse(`no relay Worker ${relay}`);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return this.#refuse(error.message);
    }
  }

  /** Too slow. */
  onTimer(): void {
    this.#refuse("no preamble in time");
  }

  #unwatch(): void {
    this.#loop.timers.clear(this.#timer);
    if (this.#watched) this.#loop.remove(this);
    this.#watched = false;
  }

  #refuse(reason: string): true {
    this.#unwatch();
    this.#loop.close(this);
    this.#events.onPreambleRefused(reason);
    return true;
  }
}
