// An event loop that a test steps by hand, with real connections over loopback: one end is watched by the loop, at the
// other end is the test. It knows nothing of what the sockets carry.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { checked, Errno } from "../../ffi/errno.ts";
import { libc } from "../../ffi/libc.ts";
import {
  accept,
  connect,
  listenOn,
  localAddress,
  openSocket,
  receive,
  resetOnClose,
  send,
  setNoDelay,
  shutdownWrite,
} from "../../ffi/socket.ts";
import { Family, internetAddress, type SocketAddress } from "../../ffi/socket_address.ts";
import { EventLoop, type Task } from "../../core/reactor/event_loop.ts";
import { StreamSocket } from "../../core/reactor/stream_socket.ts";
import { Timer } from "../../core/reactor/timer_queue.ts";
import { assertNoneLeft, openDescriptors } from "./descriptors.ts";

/** Ms after which a test gives up waiting. It matters only when something is wrong. */
const PATIENCE_MS = 10_000;
/** Ms that a turn may sleep while a test waits for what the loop has no event for. */
const NAP_MS = 2;
const MSG_OOB = 1;
const SOL_SOCKET = 1;
const SO_SNDBUF = 7;
const SO_RCVBUF = 8;

/** Listens on a free port of 127.0.0.1. */
export function listenSomewhere(backlog = 16): { fd: Descriptor; address: SocketAddress } {
  const anywhere = internetAddress("127.0.0.1", 0)!;
  const fd = checked(listenOn(anywhere, backlog), "listen", "testing") as Descriptor;
  return { fd, address: localAddress(fd)! };
}

/** An address at which nobody listens. */
export function refusingAddress(): SocketAddress {
  const { fd, address } = listenSomewhere();
  close(fd);
  return address;
}

/** An address at which the kernel drops what comes, as long as `stage` is there: the queue of its listener is full. */
export function silentAddress(stage: Stage): SocketAddress {
  const { fd, address } = listenSomewhere(0);
  stage.peer(fd);
  for (let i = 0; i < 3; i++) stage.caller(address);
  return address;
}

/** A connection over loopback, both ends non-blocking; with `bufferBytes` its socket buffers are about that small. */
export function connectedPair(bufferBytes?: number): [Descriptor, Descriptor] {
  const listener = listenSomewhere();
  const near = checked(openSocket(Family.INET), "socket", "testing") as Descriptor;
  if (bufferBytes !== undefined) { for (const fd of [listener.fd, near]) setBuffers(fd, bufferBytes); }
  const code = connect(near, listener.address);
  if (code !== -Errno.EINPROGRESS) checked(code, "connect", "testing");
  const far = accepted(listener.fd);
  close(listener.fd);
  for (const fd of [near, far]) setNoDelay(fd);
  return [near, far];
}

/** The next connection of a non-blocking listener. */
export function accepted(listener: Descriptor): Descriptor {
  for (const deadline = performance.now() + PATIENCE_MS;;) {
    const fd = accept(listener);
    if (fd !== -Errno.EAGAIN || performance.now() > deadline) return checked(fd, "accept4", "testing") as Descriptor;
  }
}

function setBuffers(fd: Descriptor, bytes: number): void {
  for (const name of [SO_SNDBUF, SO_RCVBUF]) libc.setsockopt(fd, SOL_SOCKET, name, Int32Array.of(bytes), 4);
}

/** The test's end of a connection. */
export class Peer {
  /** Its descriptor. */
  readonly fd: Descriptor;
  /** How the other end ended its direction, as far as it was read: `open`, `end` (FIN), or the errno of an error. */
  state: "open" | "end" | number = "open";
  readonly #chunks: Uint8Array[] = [];
  readonly #room = new Uint8Array(1 << 16);
  #open = true;

  constructor(fd: Descriptor) {
    this.fd = fd;
  }

  /** Sends what the kernel takes now; returns how many bytes that were. */
  send(bytes: Uint8Array): number {
    const count = send(this.fd, bytes);
    return count === -Errno.EAGAIN ? 0 : checked(count, "send", "testing");
  }

  /** Sends what the kernel takes, to a peer that may have reset the connection. */
  trySend(bytes: Uint8Array): void {
    send(this.fd, bytes);
  }

  /** Sends all of a few bytes. */
  sendAll(bytes: Uint8Array | string): void {
    const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
    const count = this.send(all);
    if (count < all.length) throw new Error(`The kernel took ${count} of ${all.length} bytes`);
  }

  /** Sends all of a few bytes, the last of which is urgent: a mark until there is a newer one. */
  sendUrgent(bytes: Uint8Array): void {
    const count = libc.send(this.fd, bytes, bytes.length, MSG_OOB);
    if (count < bytes.length) throw new Error(`The kernel took ${count} of ${bytes.length} bytes`);
  }

  /** Reads what is there, at most `most` bytes. */
  read(most = Infinity): this {
    while (this.state === "open" && most > 0) {
      const count = receive(this.fd, most < this.#room.length ? this.#room.subarray(0, most) : this.#room);
      if (count === -Errno.EAGAIN) break;
      if (count > 0) {
        this.#chunks.push(this.#room.slice(0, count));
        most -= count;
      } else this.state = count === 0 ? "end" : -count;
    }
    return this;
  }

  /** How many bytes were read and not yet taken. */
  get count(): number {
    return this.#chunks.reduce((sum, { length }) => sum + length, 0);
  }

  /** Takes all bytes that were read. */
  take(): Uint8Array {
    const all = new Uint8Array(this.count);
    let at = 0;
    for (const chunk of this.#chunks.splice(0)) {
      all.set(chunk, at);
      at += chunk.length;
    }
    return all;
  }

  /** Reads what is there and gives it as text. */
  text(): string {
    return new TextDecoder().decode(this.read().take());
  }

  /** Sends a FIN. */
  finish(): void {
    shutdownWrite(this.fd);
  }

  /** Ends the connection with an RST. */
  reset(): void {
    resetOnClose(this.fd);
    this.close();
  }

  /** Closes it; again is nothing. */
  close(): void {
    if (this.#open) close(this.fd);
    this.#open = false;
  }
}

/** A loop and its connections. */
export class Stage {
  #aheadMs = 0;
  /** Its clock is ahead by what {@linkcode advance} was told. */
  readonly loop: EventLoop = new EventLoop(() => performance.now() + this.#aheadMs);
  readonly #sockets: StreamSocket[] = [];
  readonly #peers: Peer[] = [];
  readonly #noTask: Task = { queued: false, run() {} };
  readonly #nap = new Timer({ onTimer() {} });

  /** A connection: the end that the loop watches, and the test's. */
  connect(bufferBytes?: number): { socket: StreamSocket; peer: Peer } {
    const { fd, peer } = this.connectUnwatched(bufferBytes);
    const socket = new StreamSocket(this.loop, fd);
    this.#sockets.push(socket);
    return { socket, peer };
  }

  /** A connection whose first end is nobody's yet. */
  connectUnwatched(bufferBytes?: number): { fd: Descriptor; peer: Peer } {
    const [fd, far] = connectedPair(bufferBytes);
    return { fd, peer: this.peer(far) };
  }

  /** Someone who connects to a listener, and may still wait to be accepted. */
  caller(address: SocketAddress): Peer {
    const fd = checked(openSocket(address.family), "socket", "testing") as Descriptor;
    const code = connect(fd, address);
    if (code !== -Errno.EINPROGRESS) checked(code, "connect", "testing");
    return this.peer(fd);
  }

  /** The test's end of a connection that was made otherwise. */
  peer(fd: Descriptor): Peer {
    const peer = new Peer(fd);
    this.#peers.push(peer);
    return peer;
  }

  /** Some turns that do not sleep. */
  step(turns = 1): void {
    for (let i = 0; i < turns; i++) {
      this.loop.enqueue(this.#noTask);
      this.loop.turn();
    }
  }

  /** Turns until something is the case. */
  until(done: () => boolean, what: string): void {
    const deadline = performance.now() + PATIENCE_MS;
    while (!done()) {
      if (performance.now() > deadline) throw new Error(`It did not happen in ${PATIENCE_MS} ms: ${what}`);
      // no event tells what the test itself still has to read or send
      this.loop.setTimer(this.#nap, NAP_MS);
      this.loop.turn();
    }
    this.loop.timers.clear(this.#nap);
  }

  /** Moves the clock on, and lets a turn see it. */
  advance(ms: number): void {
    this.#aheadMs += ms;
    this.step();
  }

  /** Closes everything that is still open. */
  dispose(): void {
    for (const socket of this.#sockets) socket.close();
    for (const peer of this.#peers) peer.close();
    this.loop.dispose();
  }
}

/** Registers a test on a stage of its own, which must leave no descriptor behind. */
export function testOnStage(name: string, body: (stage: Stage) => void): void {
  Deno.test(name, () => {
    const before = openDescriptors();
    const stage = new Stage();
    try {
      body(stage);
    } finally {
      stage.dispose();
    }
    // after an error, what it left open is not worth telling
    assertNoneLeft(before);
  });
}
