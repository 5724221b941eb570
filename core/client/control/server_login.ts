// The client's side of a login: it proves the token, and lets no server in that cannot.
import { clientProof, type Greeting, newNonce, proofMatches, serverProof } from "../../protocol/auth.ts";
import type {
  CtlMessage,
  NewCtlAccepted,
  NewCtlChallenge,
  NewCtlProof,
  NewCtlReq,
  NewCtlRsp,
} from "../../protocol/messages.ts";
import { ProtocolError } from "../../protocol/protocol_error.ts";
import { PROTOCOL_VERSION } from "../../protocol/wire.ts";

/** What to do after a message of the server. */
export type LoginStep =
  | { readonly kind: "answer"; readonly message: NewCtlProof }
  | { readonly kind: "in"; readonly accepted: NewCtlAccepted }
  | { readonly kind: "out"; readonly reason: string };

/** One login, without its socket. */
export class ServerLogin {
  /** The first message. */
  readonly request: NewCtlReq;
  readonly #token: string | null;
  #greeting: Greeting | null = null;

  /**
   * Begins a login.
   *
   * @param token The shared secret, or null.
   * @param instance This process's number, the same in every login.
   * @param program Name and version.
   * @param workers How many relay Workers this process has, 1 by default.
   */
  constructor(token: string | null, instance: string, program: string, workers = 1) {
    this.#token = token;
    this.request = { type: "NewCtlReq", version: PROTOCOL_VERSION, nonce: newNonce(), instance, program, workers };
  }

  /** Whether a CProxy server has answered. */
  get isAnswered(): boolean {
    return this.#greeting !== null;
  }

  /**
   * The server's next message.
   *
   * @throws {ProtocolError} When it does not belong here.
   */
  onMessage(message: CtlMessage): LoginStep {
    if (message.type === "NewCtlChallenge" && this.#greeting === null) return this.#onChallenge(message);
    if (message.type === "NewCtlRsp") return this.#onResponse(message);
    throw new ProtocolError(`${message.type} before the login`);
  }

  #onChallenge({ version, nonce, auth }: NewCtlChallenge): LoginStep {
    if (version !== PROTOCOL_VERSION) {
      return out(`The server speaks protocol version ${version}, this client ${PROTOCOL_VERSION}`);
    }
    const { nonce: clientNonce, instance } = this.request;
    this.#greeting = { version, clientNonce, serverNonce: nonce, instance };
    if (this.#token !== null && auth === "none") {
      return out("This client has a token and the server has none: it may be the wrong server");
    }
    if (this.#token === null) return { kind: "answer", message: { type: "NewCtlProof", auth: "none", proof: "" } };
    const proof = clientProof(this.#token, this.#greeting);
    return { kind: "answer", message: { type: "NewCtlProof", auth: "token", proof } };
  }

  #onResponse(response: NewCtlRsp): LoginStep {
    if (!response.ok) return out(response.reason);
    if (this.#greeting === null) throw new ProtocolError("NewCtlRsp before NewCtlChallenge");
    if (this.#token !== null && !proofMatches(serverProof(this.#token, this.#greeting), response.proof)) {
      return out("The server does not know the token");
    }
    return { kind: "in", accepted: response };
  }
}

function out(reason: string): LoginStep {
  return { kind: "out", reason };
}
