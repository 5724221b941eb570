// A connection to a port that is ctl_port and proxy_port in one: its first byte tells which of the two it wants
// (docs/protocol.md, section 2). The byte is looked at and left in the socket.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { Errno } from "../../../ffi/errno.ts";
import { peek } from "../../../ffi/socket.ts";
import type { SocketAddress } from "../../../ffi/socket_address.ts";
import type { Channel, EventLoop } from "../../reactor/event_loop.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { SILENT_STRANGER_MS, type Stranger } from "../policy/stranger_limit.ts";

/** How a ProxyConn begins: "C" of "CPXY". A ctl_conn begins with 0, and what begins otherwise is told so as one. */
const PROXY_CONN = 0x43;

const room = new Uint8Array(1);

/** What a connection wants. */
export interface FirstByteEvents {
  /** It speaks as a ctl_conn, or as something that is none of the two. */
  onCtlConn(fd: Descriptor, address: SocketAddress): void;
  /** It speaks as a ProxyConn. */
  onProxyConn(fd: Descriptor, address: SocketAddress): void;
  /** It took more than one look, and is over now, one way or the other. */
  onStrangerGone(first: FirstByte): void;
}

/** See the file's head. One thread. */
export class FirstByte implements Channel, TimerTarget, Stranger {
  /** The connection. */
  readonly fd: Descriptor;
  readonly #loop: EventLoop;
  readonly #address: SocketAddress;
  readonly #events: FirstByteEvents;
  readonly #timer = new Timer(this);
  #watched = false;

  /** Looks at what has come already; watches the connection only if that is nothing. */
  constructor(loop: EventLoop, fd: Descriptor, address: SocketAddress, events: FirstByteEvents) {
    this.#loop = loop;
    this.fd = fd;
    this.#address = address;
    this.#events = events;
    if (this.#look()) return;
    if (!loop.tryAddConnection(this)) {
      loop.close(this);
      return;
    }
    this.#watched = true;
    loop.setTimer(this.#timer, SILENT_STRANGER_MS);
  }

  /** Whether it waits for the byte. */
  get isPending(): boolean {
    return this.#watched;
  }

  /** Looks again. */
  onEvents(): void {
    this.#look();
  }

  /** True when it is over, one way or the other. */
  #look(): boolean {
    const count = peek(this.fd, room);
    if (count === -Errno.EAGAIN || count === -Errno.EINTR) return false;
    if (count <= 0) {
      this.evict();
      return true;
    }
    this.#unwatch();
    if (room[0] === PROXY_CONN) this.#events.onProxyConn(this.fd, this.#address);
    else this.#events.onCtlConn(this.fd, this.#address);
    return true;
  }

  /** Too slow. */
  onTimer(): void {
    this.evict();
  }

  /** Closes it: it ended, said nothing, or makes room for others. */
  evict(): void {
    this.#unwatch();
    this.#loop.close(this);
  }

  #unwatch(): void {
    if (!this.#watched) return;
    this.#watched = false;
    this.#loop.timers.clear(this.#timer);
    this.#loop.remove(this);
    this.#events.onStrangerGone(this);
  }
}
