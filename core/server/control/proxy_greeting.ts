// A fresh connection to the proxy port: its preamble names the relay Worker that gets it, its ProxyMetaSet shows a
// ticket, which that Worker checks. Until both are here it is a stranger's. Not one byte more is read.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { receive, send } from "../../../ffi/socket.ts";
import { FrameWriter } from "../../protocol/frames.ts";
import {
  parsePreamble,
  parseProxyMetaSet,
  PREAMBLE_BYTES,
  PROXY_META_SET_BYTES,
  type ProxyMetaSet,
} from "../../protocol/proxy_frame.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { CTL_TYPE_CODE, FRAME_HEADER_BYTES, MAX_FRAME_BYTES_BEFORE_LOGIN } from "../../protocol/wire.ts";
import type { Channel, EventLoop } from "../../reactor/event_loop.ts";
import { ExactReceiver } from "../../reactor/exact_receiver.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { SILENT_STRANGER_MS, type Stranger } from "../policy/stranger_limit.ts";

/** Where a frame of a ctl_conn has its type. */
const TYPE_PLACE = FRAME_HEADER_BYTES - 1;
const scrap = new Uint8Array(MAX_FRAME_BYTES_BEFORE_LOGIN);

/** How a greeting went. */
export interface ProxyGreetingEvents {
  /**
   * The greeting is complete.
   *
   * @param fd The connection, which is not watched any more.
   * @param relay The relay Worker, 0 up, unchecked.
   * @param meta The number and the ticket, valid until this returns.
   * @returns False when there is no such Worker: the connection is closed.
   */
  onGreeting(fd: Descriptor, relay: number, meta: ProxyMetaSet): boolean;
  /** The connection was closed. */
  onGreetingRefused(reason: string): void;
  /** It took more than one look, and is over now, one way or the other. */
  onStrangerGone(greeting: ProxyGreeting): void;
}

/** See the file's head. One thread. */
export class ProxyGreeting implements Channel, TimerTarget, Stranger {
  /** The connection. */
  readonly fd: Descriptor;
  readonly #loop: EventLoop;
  readonly #events: ProxyGreetingEvents;
  #receiver = new ExactReceiver(PREAMBLE_BYTES);
  /** What the preamble says; -1 until it is here. */
  #relay = -1;
  readonly #timer = new Timer(this);
  #watched = false;

  /** Reads what has come already; watches the connection only if that is not all. */
  constructor(loop: EventLoop, fd: Descriptor, events: ProxyGreetingEvents) {
    this.fd = fd;
    this.#loop = loop;
    this.#events = events;
    if (this.#read()) return;
    if (!loop.tryAddConnection(this)) {
      this.#refuse("there is no room to watch it");
      return;
    }
    this.#watched = true;
    loop.setTimer(this.#timer, SILENT_STRANGER_MS);
  }

  /** Whether it waits for more. */
  get isPending(): boolean {
    return this.#watched;
  }

  /** Reads on. */
  onEvents(): void {
    this.#read();
  }

  /** True when it is over, one way or the other. */
  #read(): boolean {
    try {
      if (this.#relay < 0) {
        const received = this.#receiver.receive(this.fd);
        if (received <= 0) return received < 0 && this.#refuse("it ended before its preamble");
        this.#relay = parsePreamble(this.#receiver.view);
        this.#receiver = new ExactReceiver(PROXY_META_SET_BYTES);
      }
      const received = this.#receiver.receive(this.fd);
      if (received <= 0) return received < 0 && this.#refuse("it ended before its ticket");
      const meta = parseProxyMetaSet(this.#receiver.view);
      this.#unwatch();
      return this.#events.onGreeting(this.fd, this.#relay, meta) || this.#refuse(`no relay Worker ${this.#relay}`);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      if (this.#relay < 0 && this.#receiver.view.getUint8(TYPE_PLACE) === CTL_TYPE_CODE.NewCtlReq) {
        this.#tellWrongPort();
      }
      return this.#refuse(error.message);
    }
  }

  /** A client wants to log in here: its user has taken one port for the other. */
  #tellWrongPort(): void {
    const writer = new FrameWriter();
    writer.append({
      type: "NewCtlRsp",
      ok: false,
      reason: "This is the proxy_port of a CProxy server, and not its ctl_port",
    });
    // closing with unread input would be a reset, which may overtake the answer
    receive(this.fd, scrap);
    send(this.fd, writer.bytes());
  }

  /** Too slow. */
  onTimer(): void {
    this.#refuse("no greeting in time");
  }

  /** Makes room for others. */
  evict(): void {
    this.#refuse("too many strangers");
  }

  #unwatch(): void {
    if (!this.#watched) return;
    this.#watched = false;
    this.#loop.timers.clear(this.#timer);
    this.#loop.remove(this);
    this.#events.onStrangerGone(this);
  }

  #refuse(reason: string): true {
    this.#unwatch();
    this.#loop.close(this);
    this.#events.onGreetingRefused(reason);
    return true;
  }
}
