// A ctl_conn on which a test speaks itself, message by message, so that it can say what a real client, or server, never
// would.

import { clientProof, newInstance, newNonce } from "../../core/protocol/auth.ts";
import { FrameReader } from "../../core/protocol/frames.ts";
import type { CtlMessage, NewCtlAccepted, NotifyClientNeedProxy } from "../../core/protocol/messages.ts";
import { encodePreambleAndMeta } from "../../core/protocol/proxy_frame.ts";
import { MAX_FRAME_BYTES, PROTOCOL_VERSION } from "../../core/protocol/wire.ts";
import { endingOf, writeAll } from "./conns.ts";
import { bytesOf } from "./ctl_peer.ts";

/** A ctl_conn on which a test says what it likes. */
export class CtlSpeaker implements Disposable {
  /** For what is no message; what it reads from here on is the test's. */
  readonly conn: Deno.TcpConn;
  readonly #reader = new FrameReader(MAX_FRAME_BYTES);
  #open = true;

  /** Takes a ctl_conn over: one that was made, or one that was accepted. */
  constructor(conn: Deno.TcpConn) {
    this.conn = conn;
  }

  /** Connects to the ctl_port of `hostname`, 127.0.0.1 when it is left out. */
  static async connect(ctlPort: number, hostname = "127.0.0.1"): Promise<CtlSpeaker> {
    return new CtlSpeaker(await Deno.connect({ hostname, port: ctlPort }));
  }

  /** Logs in; without a token when it is left out. */
  async logIn(instance = newInstance(), token: string | null = null): Promise<NewCtlAccepted> {
    const [version, clientNonce] = [PROTOCOL_VERSION, newNonce()];
    await this.send({ type: "NewCtlReq", version, nonce: clientNonce, instance, program: "test", workers: 1 });
    const { nonce: serverNonce } = await this.next("NewCtlChallenge");
    if (token === null) await this.send({ type: "NewCtlProof", auth: "none", proof: "" });
    else {
      const proof = clientProof(token, { version, clientNonce, serverNonce, instance });
      await this.send({ type: "NewCtlProof", auth: "token", proof });
    }
    const response = await this.next("NewCtlRsp");
    if (!response.ok) throw new Error(`The login was refused: ${response.reason}`);
    return response;
  }

  /** Sends messages, all in one write. */
  async send(...messages: CtlMessage[]): Promise<void> {
    await writeAll(this.conn, bytesOf(...messages));
  }

  /** Sends some messages `times` times over, without looking at what comes back. */
  async flood(times: number, ...messages: CtlMessage[]): Promise<void> {
    const bytes = bytesOf(...messages);
    for (let i = 0; i < times; i++) await writeAll(this.conn, bytes);
  }

  /** Reads and drops whatever comes from now on, to the end. */
  async ignore(): Promise<void> {
    await endingOf(this.conn);
  }

  /**
   * The next message of a type; those of other types before it are dropped.
   *
   * @throws {Error} If the server closes the connection before that.
   */
  async next<T extends CtlMessage["type"]>(type: T): Promise<Extract<CtlMessage, { type: T }>> {
    for (;;) {
      const message = await this.read();
      if (message === null) throw new Error(`The server closed the ctl_conn before a ${type}`);
      if (message.type === type) return message as Extract<CtlMessage, { type: T }>;
    }
  }

  /** The next message, or null when the server has closed the connection. */
  async read(): Promise<CtlMessage | null> {
    for (;;) {
      const message = this.#reader.next();
      if (message !== null) return message;
      const count = await this.conn.read(this.#reader.room());
      if (count === null) return null;
      this.#reader.filled(count);
    }
  }

  /** Brings the ProxyConn that the server asks for. */
  async bring(proxyPort: number, { worker, proxy, ticket }: NotifyClientNeedProxy): Promise<Deno.TcpConn> {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port: proxyPort });
    await writeAll(conn, encodePreambleAndMeta(worker, proxy, ticket));
    return conn;
  }

  /** Closes the connection; again is nothing. */
  close(): void {
    if (this.#open) this.conn.close();
    this.#open = false;
  }

  /** Closes it. */
  [Symbol.dispose](): void {
    this.close();
  }
}
