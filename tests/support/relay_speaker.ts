// A client that a test plays whole: a ctl_conn, and the ProxyConns that the server asks for, on which it says what the test
// likes. It knows no LocalServer.

import type { ProxyId, SessionNo } from "../../core/protocol/ids.ts";
import type { NewTunnelRsp, Notice, NotifyClientNeedProxy } from "../../core/protocol/messages.ts";
import {
  decodeStartReq,
  encodeStartRsp,
  newStartReq,
  PROXY_FRAME_BYTES,
  START_CONNECTED,
} from "../../core/protocol/proxy_frame.ts";
import { readExactly, writeAll } from "./conns.ts";
import { noticeBytes } from "./ctl_peer.ts";
import { CtlSpeaker } from "./ctl_speaker.ts";
import { newTunnelReq } from "./messages.ts";

/** What the test does with a session that has begun, on the client that has it. */
export type OnSession = (
  client: RelaySpeaker,
  proxy: ProxyId,
  session: SessionNo,
  conn: Deno.TcpConn,
) => Promise<void> | void;

/** A client that is logged in. It brings ProxyConns until its ctl_conn ends; `await using` ends it. */
export class RelaySpeaker implements AsyncDisposable {
  /** Its ctl_conn; the speaker reads from it. */
  readonly ctl: CtlSpeaker;
  /** How many ProxyConns it has brought. */
  brought = 0;
  readonly #proxyPort: number;
  readonly #onSession: OnSession;
  readonly #conns = new Set<Deno.TcpConn>();
  readonly #relaying: Promise<void>[] = [];
  readonly #serving: Promise<void>;
  /** The notice connection; one is enough for a client with one relay Worker at a server with one. */
  #notices: Deno.TcpConn | null = null;
  #answered = Promise.withResolvers<NewTunnelRsp>();

  private constructor(ctl: CtlSpeaker, proxyPort: number, onSession: OnSession) {
    this.ctl = ctl;
    this.#proxyPort = proxyPort;
    this.#onSession = onSession;
    this.#serving = this.#serve();
  }

  /** Logs in; every session is said to be connected, and told to `onSession`. */
  static async logIn(ctlPort: number, token: string, onSession: OnSession): Promise<RelaySpeaker> {
    const ctl = await CtlSpeaker.connect(ctlPort);
    const { proxy_port } = await ctl.logIn(undefined, token);
    return new RelaySpeaker(ctl, proxy_port, onSession);
  }

  /** Asks for a tunnel; one at a time. Returns its public port. */
  async open(tunnel: number, name = "mine", port = 0): Promise<number> {
    this.#answered = Promise.withResolvers();
    await this.ctl.send(newTunnelReq(tunnel, name, port));
    const answer = await this.#answered.promise;
    if (!answer.ok) throw new Error(`The tunnel is refused: ${answer.reason}`);
    return answer.remote_port;
  }

  async #serve(): Promise<void> {
    try {
      for (let message = await this.ctl.read(); message !== null; message = await this.ctl.read()) {
        if (message.type === "NewTunnelRsp") this.#answered.resolve(message);
        if (message.type === "NotifyClientNeedProxy") await this.#bring(message);
      }
    } catch {
      // the ctl_conn is closed
    }
    for (const conn of this.#conns) conn.close();
    this.#conns.clear();
    await Promise.all(this.#relaying);
  }

  async #bring(need: NotifyClientNeedProxy): Promise<void> {
    const conn = await this.ctl.bring(this.#proxyPort, need);
    this.brought++;
    this.#conns.add(conn);
    if (need.notices) this.#notices = conn;
    else this.#relaying.push(this.#relay(need.proxy, conn));
  }

  async #relay(proxy: ProxyId, conn: Deno.TcpConn): Promise<void> {
    const answer = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    const req = newStartReq();
    try {
      for (;;) {
        const frame = new DataView((await readExactly(conn, PROXY_FRAME_BYTES)).buffer);
        decodeStartReq(frame, req);
        encodeStartRsp(answer, req.session, START_CONNECTED);
        await writeAll(conn, new Uint8Array(answer.buffer));
        await this.#onSession(this, proxy, req.session, conn);
      }
    } catch {
      // the server, or the end of the test, has closed it
      if (this.#conns.delete(conn)) conn.close();
    }
  }

  /** Tells the server something about sessions. */
  async tell(...notices: Notice[]): Promise<void> {
    await writeAll(this.#notices!, noticeBytes(...notices));
  }

  /** Closes its ctl_conn and everything that it brought. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.ctl.close();
    await this.#serving;
  }
}
