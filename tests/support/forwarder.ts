// A TCP forwarder between two programs that a test can cut or freeze. It looks at no byte.

import { resetConn, writeAll } from "./conns.ts";

/** Forwards every connection to its port to another one. */
export class Forwarder implements AsyncDisposable {
  /** Where it listens, on 127.0.0.1. */
  readonly port: number;
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #accepting: Promise<void>;
  #frozen: PromiseWithResolvers<void> | null = null;

  /** Starts to forward to the port `target` of `hostname`. */
  constructor(target: number, hostname = "127.0.0.1") {
    this.port = this.#listener.addr.port;
    this.#accepting = this.#accept(target, hostname);
  }

  async #accept(port: number, hostname: string): Promise<void> {
    for await (const near of this.#listener) {
      try {
        const far = await Deno.connect({ hostname, port });
        this.#conns.add(near).add(far);
        void this.#pipe(near, far);
        void this.#pipe(far, near);
      } catch {
        near.close(); // nobody listens there
      }
    }
  }

  async #pipe(from: Deno.TcpConn, to: Deno.TcpConn): Promise<void> {
    const room = new Uint8Array(65_536);
    try {
      for (let count = await from.read(room); count !== null; count = await from.read(room)) {
        await this.#frozen?.promise;
        await writeAll(to, room.subarray(0, count));
      }
      await this.#frozen?.promise;
      await to.closeWrite();
    } catch {
      // cut, or an end has gone
    }
  }

  /** Resets all connections that it forwards. */
  cut(): void {
    for (const conn of this.#conns) {
      resetConn(conn);
    }
    this.#conns.clear();
  }

  /** Forwards nothing more, and keeps all connections open; new ones are accepted and silent as well. */
  freeze(): void {
    this.#frozen ??= Promise.withResolvers();
  }

  /** Forwards again, what has come meanwhile first. */
  thaw(): void {
    this.#frozen?.resolve();
    this.#frozen = null;
  }

  /** Stops it, cutting what is under way. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.thaw();
    this.#listener.close();
    await this.#accepting;
    this.cut();
  }
}
