// A ctl_conn before it is a Control: version, challenge, proof. A stranger can do nothing else here.
import type { Descriptor } from "../../../ffi/descriptor.ts";
import { formatAddress, isLoopback, type SocketAddress } from "../../../ffi/socket_address.ts";
import { type Greeting, newNonce, serverProof } from "../../protocol/auth.ts";
import { CtlConn, type CtlConnOwner } from "../../protocol/ctl_conn.ts";
import type { CtlMessage, NewCtlProof, NewCtlReq } from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { isPreamble } from "../../protocol/proxy_frame.ts";
import { PROTOCOL_VERSION } from "../../protocol/wire.ts";
import type { EventLoop } from "../../reactor/event_loop.ts";
import { FairTurns } from "../../reactor/fair_turns.ts";
import { Timer, type TimerTarget } from "../../reactor/timer_queue.ts";
import { type Grant, grantFor } from "../policy/grant.ts";
import { networkOf } from "../policy/network.ts";
import { SILENT_STRANGER_MS, type Stranger, STRANGER_MS } from "../policy/stranger_limit.ts";

/** A client that has shown that it may log in. */
export interface LoggedIn {
  /** Its connection, which now needs another owner. */
  readonly conn: CtlConn;
  /** What its token grants. */
  readonly grant: Grant;
  /** Its instance. */
  readonly instance: string;
  /** Name and version of its program. */
  readonly program: string;
  /** How many relay Workers it has. */
  readonly workers: number;
  /** Where it connected from. */
  readonly address: string;
  /** The server's proof for NewCtlRsp, empty without a token. */
  readonly proof: string;
}

/** Hears how a login goes. */
export interface LoginEvents {
  /** It has begun: the client speaks this protocol. */
  onLoginBegun(login: Login): void;
  /** A proof has come. */
  onProofShown(login: Login): void;
  /** For how many ms the answer waits if the proof is wrong; 0 for not at all. */
  delayMs(): number;
  /** Whether the proof may be compared before that, so that a right one is answered at once. */
  mayCompareNow(): boolean;
  /** The proof is wrong; {@linkcode onLoginFailed} follows, now or after the delay. */
  onWrongProof(): void;
  /** Why a client that has proved this grant's token may not log in, or null. */
  whyNotIn(grant: Grant, instance: string): string | null;
  /** It succeeded. Returns the owner of the connection from now on. */
  onLoggedIn(login: LoggedIn): CtlConnOwner;
  /** It failed, and the connection is closed or closing. */
  onLoginFailed(address: string, reason: string): void;
  /** The connection is no stranger's any more, or closed. */
  onStrangerGone(login: Login): void;
}

/** Why a ProxyConn may not log in: somebody has taken one port for the other. */
const DATA_CONNECTION = "A data connection, which is for the proxy_port";
const WRONG_TOKEN = "The client's token is not the server's";

/** One login. One thread. */
export class Login implements CtlConnOwner, Stranger, TimerTarget {
  readonly #conn: CtlConn;
  readonly #address: SocketAddress;
  readonly #grants: readonly Grant[];
  readonly #events: LoginEvents;
  #greeting: Greeting | null = null;
  #program = "";
  #workers = 1;
  /** Has come, and is not looked at yet. */
  #answer: NewCtlProof | null = null;
  /** It has been compared, and the answer waits. */
  #isWrong = false;
  readonly #delay = new Timer(this);
  readonly #loop: EventLoop;
  /** Set at success: messages of the same turn are its already. */
  #successor: CtlConnOwner | null = null;

  /**
   * Starts to listen.
   *
   * @param loop The Worker's loop.
   * @param fd The accepted connection.
   * @param address Where it comes from.
   * @param grants Whose tokens are good, at least one; one without a token admits loopback only.
   * @param events Hears how it went.
   * @param turns Shares the time for reading; by default it has its own.
   */
  constructor(
    loop: EventLoop,
    fd: Descriptor,
    address: SocketAddress,
    grants: readonly Grant[],
    events: LoginEvents,
    turns: FairTurns = new FairTurns(loop),
  ) {
    this.#loop = loop;
    this.#address = address;
    this.#grants = grants;
    this.#events = events;
    this.#conn = new CtlConn(loop, fd, this, STRANGER_MS, turns);
    this.#conn.party = networkOf(address);
    this.#conn.onReleased = () => {
      loop.timers.clear(this.#delay);
      events.onStrangerGone(this);
    };
  }

  /** Reads what has come already, before others can take its place; the rest follows by itself. */
  start(): void {
    this.#conn.start(SILENT_STRANGER_MS);
  }

  get #demandsToken(): boolean {
    return this.#grants[0].token !== null;
  }

  /** One step of the login. */
  onMessage(message: CtlMessage): void {
    if (this.#successor !== null) return this.#successor.onMessage(message);
    if (message.type === "NewCtlReq" && this.#greeting === null) this.#challenge(message);
    else if (message.type === "NewCtlProof" && this.#greeting !== null && this.#answer === null) this.#await(message);
    else throw new ProtocolError(`${message.type} before the login`);
  }

  #challenge({ version, nonce, instance, program, workers }: NewCtlReq): void {
    if (version !== PROTOCOL_VERSION) {
      return this.#refuse(`This server speaks protocol version ${PROTOCOL_VERSION}, the client ${version}`);
    }
    if (!this.#demandsToken && !isLoopback(this.#address)) {
      return this.#refuse("This server has no token and serves only clients on its own host; give both sides a token");
    }
    const serverNonce = newNonce();
    this.#greeting = { version, clientNonce: nonce, serverNonce, instance };
    this.#program = program;
    this.#workers = workers;
    this.#events.onLoginBegun(this);
    const auth = this.#demandsToken ? "token" : "none";
    this.#conn.send({ type: "NewCtlChallenge", version: PROTOCOL_VERSION, nonce: serverNonce, auth });
  }

  /** Where others have failed before, a wrong proof is answered late, and maybe looked at late. */
  #await(answer: NewCtlProof): void {
    this.#answer = answer;
    this.#events.onProofShown(this);
    const delayMs = this.#demandsToken ? this.#events.delayMs() : 0;
    if (delayMs === 0 || this.#events.mayCompareNow()) return this.#judge(answer, this.#greeting!, delayMs);
    this.#loop.setTimer(this.#delay, delayMs);
  }

  /** It has waited long enough. */
  onTimer(): void {
    if (this.#isWrong) this.#refuse(WRONG_TOKEN);
    else this.#judge(this.#answer!, this.#greeting!, 0);
  }

  #judge(answer: NewCtlProof, greeting: Greeting, delayMs: number): void {
    if (!this.#demandsToken) return this.#letIn(greeting, this.#grants[0], "");
    if (answer.auth === "none") return this.#refuse("This server demands a token, and the client has none");
    const grant = grantFor(this.#grants, greeting, answer.proof);
    if (grant !== null) return this.#letIn(greeting, grant, serverProof(grant.token!, greeting));
    this.#events.onWrongProof();
    if (delayMs === 0) return this.#refuse(WRONG_TOKEN);
    this.#isWrong = true;
    this.#loop.setTimer(this.#delay, delayMs);
  }

  #letIn(greeting: Greeting, grant: Grant, proof: string): void {
    const reason = this.#events.whyNotIn(grant, greeting.instance);
    if (reason !== null) return this.#refuse(reason);
    this.#conn.onReleased = null;
    this.#events.onStrangerGone(this);
    this.#successor = this.#events.onLoggedIn({
      conn: this.#conn,
      grant,
      instance: greeting.instance,
      program: this.#program,
      workers: this.#workers,
      address: formatAddress(this.#address),
      proof,
    });
  }

  #refuse(reason: string): void {
    this.#conn.send({ type: "NewCtlRsp", ok: false, reason });
    this.#conn.finish();
    this.#events.onLoginFailed(formatAddress(this.#address), reason);
  }

  /** Makes room for others. */
  evict(): void {
    this.#conn.close();
  }

  /** The connection is gone, or tells its client why it goes. */
  onClosed(reason: string): void {
    this.#loop.timers.clear(this.#delay);
    if (this.#successor !== null) this.#successor.onClosed(reason);
    else {
      const isMistaken = this.#greeting === null && isPreamble(this.#conn.rest);
      this.#events.onLoginFailed(formatAddress(this.#address), isMistaken ? DATA_CONNECTION : reason);
    }
  }
}
