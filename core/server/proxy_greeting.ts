// A connection to the proxy port behind its preamble: it has a few seconds to show a ticket.
import { Errno } from "../../ffi/errno.ts";
import { receive } from "../../ffi/socket.ts";
import type { ProxyId } from "../protocol/ids.ts";
import { parseProxyMetaSet, PROXY_META_SET_BYTES } from "../protocol/preamble.ts";
import { ProtocolError } from "../protocol/protocol_error.ts";
import { sameTicket, TICKET_WORDS, ticketToWords } from "../protocol/ticket.ts";
import type { EventLoop, Task } from "../reactor/event_loop.ts";
import type { StreamSocket } from "../reactor/stream_socket.ts";
import { Timer, type TimerTarget } from "../reactor/timer_queue.ts";

/** Ms for ProxyMetaSet to arrive; the preamble in front of it has come. */
const GREETING_MS = 5000;

/** A connection that has named itself. */
export interface GreetedProxy {
  /** The number that it claims. */
  readonly proxy: ProxyId;
  /** Whether its ticket is that one; in constant time. */
  admits(words: Int32Array): boolean;
  /** Its socket. */
  readonly socket: StreamSocket;
}

/** See the file's head. Lives until the greeting is over. One thread. */
export class ProxyGreeting implements Task, TimerTarget {
  /** Kept by the loop. */
  queued: boolean = false;
  readonly #loop: EventLoop;
  readonly #socket: StreamSocket;
  readonly #admit: (greeted: GreetedProxy) => boolean;
  readonly #onRefused: (reason: string) => void;
  readonly #bytes = new Uint8Array(PROXY_META_SET_BYTES);
  readonly #timer = new Timer(this);
  #have = 0;

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
    admit: (greeted: GreetedProxy) => boolean,
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
    while (this.#have < PROXY_META_SET_BYTES) {
      const count = receive(this.#socket.fd, this.#bytes.subarray(this.#have));
      if (count === -Errno.EINTR) continue;
      if (count === -Errno.EAGAIN) {
        this.#socket.readable = false;
        return;
      }
      if (count <= 0) return this.#refuse("it ended before its ticket");
      this.#have += count;
    }
    this.#loop.timers.clear(this.#timer);
    try {
      const { proxy, ticket } = parseProxyMetaSet(this.#bytes);
      const words = new Int32Array(TICKET_WORDS);
      ticketToWords(ticket, words);
      const admits = (expected: Int32Array) => sameTicket(words, 0, expected, 0);
      if (!this.#admit({ proxy, admits, socket: this.#socket })) this.#refuse(`no such ticket for ProxyConn ${proxy}`);
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
