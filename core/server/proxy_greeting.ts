// A connection to the proxy port behind its preamble: it has a few seconds to show a ticket.
import type { ProxyId } from "../protocol/ids.ts";
import { parseProxyMetaSet, PROXY_META_SET_BYTES } from "../protocol/preamble.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import type { Ticket } from "../protocol/ticket.ts";
import { ExactReceiver } from "../reactor/exact_receiver.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

/** Ms for ProxyMetaSet to arrive; the preamble in front of it has come. */
const GREETING_MS = 5000;

/** Takes a socket over when its ticket is good, and says whether it was. */
export type Admission = (proxy: ProxyId, ticket: Ticket, socket: StreamSocket) => boolean;

/** See the file's head. Lives until the greeting is over. One thread. */
export class ProxyGreeting implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  readonly #socket: StreamSocket;
  readonly #admit: Admission;
  readonly #onRefused: (reason: string) => void;
  readonly #receiver = new ExactReceiver(PROXY_META_SET_BYTES);
  readonly #timer = new Timer(this);

  /**
   * Starts to listen.
   *
   * @param loop The Worker's loop.
   * @param socket The connection, at its ProxyMetaSet.
   * @param admit Takes the socket over when the ticket is good, and says whether it was.
   * @param onRefused Hears why a connection was closed.
   */
  constructor(
    loop: EventLoop,
    socket: StreamSocket,
    admit: Admission,
    onRefused: (reason: string) => void,
  ) {
    this.#loop = loop;
    this.#socket = socket;
    this.#admit = admit;
    this.#onRefused = onRefused;
    socket.task = this;
    loop.setTimer(this.#timer, GREETING_MS);
    loop.enqueue(this);
  }

  /** Reads on, and not one byte further than the frame. */
  run(): void {
    const received = this.#receiver.receive(this.#socket.fd);
    if (received < 0) return this.#refuse("it ended before its ticket");
    if (received === 0) {
      this.#socket.readable = false;
      return;
    }
    this.#loop.timers.clear(this.#timer);
    try {
      const { proxy, ticket } = parseProxyMetaSet(this.#receiver.view);
      if (!this.#admit(proxy, ticket, this.#socket)) this.#refuse(`no such ticket for ProxyConn ${proxy}`);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#refuse(error.message);
    }
  }

  /** Too slow. */
  onTimer(): void {
    this.#refuse("no ticket in time");
  }

  #refuse(reason: string): void {
    this.#loop.timers.clear(this.#timer);
    this.#socket.close();
    this.#onRefused(reason);
  }
}
