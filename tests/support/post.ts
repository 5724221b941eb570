// The wiring between Workers as the supervisor makes it, for tests that play one of them. It knows no record's meaning.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, type Poller } from "../../ffi/epoll.ts";
import { openEventfd } from "../../ffi/eventfd.ts";
import { Mailbox, type Wiring } from "../../core/reactor/mailbox.ts";
import { MessageWriter } from "../../core/reactor/message_ring.ts";
import { SharedState } from "../../core/reactor/shared_state.ts";
import { allocateRing } from "../../core/reactor/spsc_ring.ts";

/** Some Workers that all hear each other and the supervisor, in the order of their numbers. */
export class Post {
  readonly #fds: Descriptor[];
  readonly #messages: MessageWriter;
  /** The words that all of them share. */
  readonly state: SharedState;
  /** Each one's part of the wiring, by number. */
  readonly wirings: Wiring[];

  /** Wires so many Workers with rings of so many records. */
  constructor(workers: number, capacity: number) {
    const numbers = Array.from({ length: workers }, (_, i) => i);
    this.#fds = numbers.map(() => openEventfd());
    const memory = SharedState.allocate(workers);
    this.state = new SharedState(memory, this.#fds);
    const rings = numbers.map(() => numbers.map(() => allocateRing(capacity)));
    this.wirings = numbers.map((worker) => ({
      worker,
      wakeFds: this.#fds,
      state: memory,
      messages: allocateRing(capacity),
      inbound: numbers.filter((i) => i !== worker).map((from) => ({ from, ring: rings[from][worker] })),
      outbound: numbers.filter((i) => i !== worker).map((to) => ({ to, ring: rings[worker][to] })),
    }));
    const messages = this.wirings.map((wiring) => wiring.messages);
    this.#messages = new MessageWriter(messages, (worker) => this.state.wake(worker));
  }

  /** A mailbox that writes down what comes. */
  open(worker: number): { mailbox: Mailbox; got: unknown[] } {
    const mailbox = new Mailbox(this.wirings[worker]);
    const got: unknown[] = [];
    mailbox.setHandler({
      onRecord: (from, words, at) => got.push([from, words[at]]),
      onMessage: (message) => got.push(message),
      onPhase: (phase) => got.push({ phase }),
    });
    return { mailbox, got };
  }

  /** As the supervisor does it. */
  message(worker: number, message: unknown): void {
    this.#messages.post(worker, message);
  }

  /** Whether the eventfd of a Worker was written since the last look. */
  woken(poller: Poller, worker: number): boolean {
    if (poller.add(this.#fds[worker], Epoll.IN | Epoll.ET, 0) === 0) poller.wait(0);
    return poller.wait(0) > 0;
  }

  /** Closes what it opened; no Worker may run any more. */
  dispose(): void {
    for (const fd of this.#fds) close(fd);
    this.#messages.dispose();
  }
}
