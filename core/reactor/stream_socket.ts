// A connected socket and what is known of its readiness. It moves no bytes.
import type { Descriptor } from "../../ffi/descriptor.ts";
import { Epoll } from "../../ffi/epoll.ts";
import { endOnClose, resetOnClose, shutdownRead } from "../../ffi/socket.ts";
import type { Channel, EventLoop, Task } from "./event_loop.ts";

// what is true of a socket, a bit each: as booleans they would be half of the object, of which a Worker has thousands
const READABLE = 1;
const WRITABLE = 2;
const HUNG_UP = 4;
const FAILED = 8;
const OPEN = 16;
const GUARDED = 32;
const URGENT = 64;

/**
 * A stream socket under edge-triggered epoll. `readable` and `writable` are true from an edge until a call says EAGAIN. A
 * new one is neither: its first event, which tells what is ready, comes in the next turn. One thread.
 */
export class StreamSocket implements Channel {
  /** The descriptor. */
  readonly fd: Descriptor;
  /** Queued at every event. */
  task: Task | null = null;
  readonly #loop: EventLoop;
  #marks: number;

  /**
   * Registers the socket. One that the kernel has no room to watch is as one whose peer has reset it: it has failed, its
   * task is queued once, a read finds nothing behind what has come, and closing it is a reset.
   *
   * @param loop The Worker's loop.
   * @param fd A non-blocking stream socket that is not watched yet.
   * @param guarded Whether it has inherited from its listener what {@linkcode guard} does.
   * @throws {SystemError} When the kernel cannot watch it for another reason.
   */
  constructor(loop: EventLoop, fd: Descriptor, guarded = false) {
    this.#loop = loop;
    this.#marks = guarded ? OPEN | GUARDED : OPEN;
    this.fd = fd;
    if (loop.tryAddConnection(this)) return;
    resetOnClose(fd);
    shutdownRead(fd);
    this.#marks = OPEN | READABLE | WRITABLE | HUNG_UP | FAILED;
    loop.enqueue({ queued: false, run: () => this.onEvents(Epoll.ERR) });
  }

  /** Notes the events and queues the task. */
  onEvents(events: number): void {
    let marks = this.#marks;
    if (events & (Epoll.IN | Epoll.RDHUP | Epoll.HUP | Epoll.ERR)) marks |= READABLE;
    if (events & Epoll.PRI) marks |= READABLE | URGENT;
    if (events & (Epoll.OUT | Epoll.HUP | Epoll.ERR)) marks |= WRITABLE;
    if (events & (Epoll.RDHUP | Epoll.HUP)) marks |= HUNG_UP;
    if (events & Epoll.ERR) marks |= FAILED;
    this.#marks = marks;
    if (this.task !== null) this.#loop.enqueue(this.task);
  }

  /** An event said that there is something to read, and no read since that there is no more. */
  get readable(): boolean {
    return (this.#marks & READABLE) !== 0;
  }

  set readable(readable: boolean) {
    this.#marks = readable ? this.#marks | READABLE : this.#marks & ~READABLE;
  }

  /**
   * Urgent data has come and may lie ahead: splice stops in front of it as if there were nothing more, so only a recv that
   * finds nothing makes this false.
   */
  get urgent(): boolean {
    return (this.#marks & URGENT) !== 0;
  }

  set urgent(urgent: boolean) {
    this.#marks = urgent ? this.#marks | URGENT : this.#marks & ~URGENT;
  }

  /** An event said that there is room to write, and no write since that there is no more. */
  get writable(): boolean {
    return (this.#marks & WRITABLE) !== 0;
  }

  set writable(writable: boolean) {
    this.#marks = writable ? this.#marks | WRITABLE : this.#marks & ~WRITABLE;
  }

  /** The peer has ended its direction: reading on must reach the end of the stream, so no short read may stop it. */
  get hungUp(): boolean {
    return (this.#marks & HUNG_UP) !== 0;
  }

  /** The kernel reports an error; the next read or write will say which. */
  get failed(): boolean {
    return (this.#marks & FAILED) !== 0;
  }

  /** It has not been closed here. */
  get isOpen(): boolean {
    return (this.#marks & OPEN) !== 0;
  }

  /** Whether bytes can be read for certain: not only the end of the stream, or an error. */
  get hasInput(): boolean {
    return (this.#marks & (READABLE | HUNG_UP | FAILED)) === READABLE;
  }

  /**
   * Makes the death of this process a reset of the connection. The kernel would end it in order, and the peer would take
   * the part of a stream that it has for all of it.
   */
  guard(): void {
    if (this.#marks & GUARDED) return;
    this.#marks |= GUARDED;
    resetOnClose(this.fd);
  }

  /** The streams are complete: what is still in the kernel's buffers is to arrive, whatever becomes of this process. */
  unguard(): void {
    if (!(this.#marks & GUARDED)) return;
    this.#marks &= ~GUARDED;
    endOnClose(this.fd);
  }

  /** Closes it at the end of the turn; again is nothing. What was written before is still delivered. */
  close(): void {
    if (!(this.#marks & OPEN)) return;
    this.unguard();
    this.#marks &= ~OPEN;
    this.task = null;
    this.#loop.close(this);
  }

  /** Closes it as a reset: the peer reads ECONNRESET, and unsent bytes are dropped. */
  reset(): void {
    if (!(this.#marks & OPEN)) return;
    resetOnClose(this.fd);
    // for closing not to take that back
    this.#marks &= ~GUARDED;
    this.close();
  }
}
