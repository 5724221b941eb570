// A connected socket and what is known of its readiness. It moves no bytes.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Epoll } from "../../ffi/epoll.ts";
import { endOnClose, resetOnClose } from "../../ffi/socket.ts";
import type { Channel, EventLoop, Task } from "./event_loop.ts";

/**
 * A stream socket under edge-triggered epoll. `readable` and `writable` are true from an edge until a call says EAGAIN. A
 * new one is neither: its first event, which tells what is ready, comes in the next turn. One thread.
 */
export class StreamSocket implements Channel {
  /** The descriptor. */
  readonly fd: Descriptor;
  /** An event said that there is something to read, and no read since that there is no more. */
  readable: boolean = false;
  /** An event said that there is room to write, and no write since that there is no more. */
  writable: boolean = false;
  /** The peer has ended its direction: reading on must reach the end of the stream, so no short read may stop it. */
  hungUp: boolean = false;
  /** The kernel reports an error; the next read or write will say which. */
  failed: boolean = false;
  /** Queued at every event. */
  task: Task | null = null;
  readonly #loop: EventLoop;
  #open = true;
  #guarded: boolean;

  /**
   * Registers the socket.
   *
   * @param loop The Worker's loop.
   * @param fd A non-blocking stream socket that nobody else watches.
   * @param guarded Whether it has inherited from its listener what {@linkcode guard} does.
   * @throws {SystemError} When the kernel cannot watch it.
   */
  constructor(loop: EventLoop, fd: Descriptor, guarded = false) {
    this.#loop = loop;
    this.#guarded = guarded;
    this.fd = fd;
    loop.addConnection(this);
  }

  /** Notes what is ready and queues the task. */
  onEvents(events: number): void {
    if (events & (Epoll.IN | Epoll.RDHUP | Epoll.HUP | Epoll.ERR)) this.readable = true;
    if (events & (Epoll.OUT | Epoll.HUP | Epoll.ERR)) this.writable = true;
    if (events & (Epoll.RDHUP | Epoll.HUP)) this.hungUp = true;
    if (events & Epoll.ERR) this.failed = true;
    if (this.task !== null) this.#loop.enqueue(this.task);
  }

  /** Whether bytes can be read for certain: not only the end of the stream, or an error. */
  get hasInput(): boolean {
    return this.readable && !this.hungUp && !this.failed;
  }

  /**
   * Makes the death of this process a reset of the connection. The kernel would end it in order, and the peer would take
   * the part of a stream that it has for all of it.
   */
  guard(): void {
    if (this.#guarded) return;
    this.#guarded = true;
    resetOnClose(this.fd);
  }

  /** The streams are complete: what is still in the kernel's buffers is to arrive, whatever becomes of this process. */
  unguard(): void {
    if (!this.#guarded) return;
    this.#guarded = false;
    endOnClose(this.fd);
  }

  /** Closes it at the end of the turn; again is nothing. What was written before is still delivered. */
  close(): void {
    if (!this.#open) return;
    this.unguard();
    this.#drop();
  }

  #drop(): void {
    this.#open = false;
    this.task = null;
    this.#loop.close(this);
  }

  /** Closes it as a reset: the peer reads ECONNRESET, and unsent bytes are dropped. */
  reset(): void {
    if (!this.#open) return;
    resetOnClose(this.fd);
    this.#drop();
  }
}
