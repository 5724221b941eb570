// The client's side of a login, against a server that says anything in any order. It may let in only a server that has
// been challenged and knows the token, whatever else is said.

import { type Greeting, serverProof } from "../../../core/protocol/auth.ts";
import { FrameReader, FrameWriter } from "../../../core/protocol/frames.ts";
import type { CtlMessage } from "../../../core/protocol/messages.ts";
import { ProtocolError } from "../../../core/protocol/protocol_error.ts";
import { MAX_FRAME_BYTES_BEFORE_LOGIN, PROTOCOL_VERSION } from "../../../core/protocol/wire.ts";
import { ServerLogin } from "../../../core/client/control/server_login.ts";
import { jsonMessage } from "../messages.ts";
import { bug, randomOf, type Target } from "../target.ts";

const TOKEN = "correct horse battery staple";
const INSTANCE = "00".repeat(16);
/** Stands for the right proof, which nobody can write down beforehand: the client's nonce is new every time. */
const RIGHT = "11".repeat(32);

/** ServerLogin on the messages of a stream. */
export const clientLogins: Target = {
  name: "client_logins",
  share: 2,
  longest: 2000,
  valid(random) {
    const writer = new FrameWriter();
    const auth = random.chance(0.7) ? "token" : "none";
    const version = random.chance(0.9) ? PROTOCOL_VERSION : random.between(0, 9);
    const challenge: CtlMessage = { type: "NewCtlChallenge", version, nonce: "22".repeat(32), auth };
    const response = { ...jsonMessage(random), type: "NewCtlRsp", ok: true, proof: random.chance(0.7) ? RIGHT : "" };
    const accepted = { proxy_port: 1, heartbeat_timeout_ms: 1000, control: 1, ...response } as CtlMessage;
    if (random.chance(0.9)) writer.append(challenge);
    if (random.chance(0.1)) writer.append(jsonMessage(random));
    writer.append(accepted);
    return writer.bytes().slice();
  },
  accepts(stream) {
    const token = randomOf(stream).chance(0.7) ? TOKEN : null;
    const login = new ServerLogin(token, INSTANCE, "fuzz");
    const reader = new FrameReader(MAX_FRAME_BYTES_BEFORE_LOGIN);
    reader.room().set(stream);
    reader.filled(stream.length);
    let serverNonce: string | null = null as string | null;
    try {
      for (let message: CtlMessage | null = reader.next(); message !== null; message = reader.next()) {
        let proven = token === null;
        if (message.type === "NewCtlRsp" && message.ok && message.proof === RIGHT && serverNonce !== null) {
          const { nonce, instance } = login.request;
          const greeting: Greeting = { version: PROTOCOL_VERSION, clientNonce: nonce, serverNonce, instance };
          message = { ...message, proof: serverProof(TOKEN, greeting) };
          proven = true;
        }
        const step = login.onMessage(message);
        if (message.type === "NewCtlChallenge") serverNonce = message.nonce;
        if (step.kind === "out") return false;
        if (step.kind !== "in") continue;
        if (serverNonce === null || !proven) bug("A server was let in that has proved nothing");
        return true;
      }
      return false;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      return false;
    }
  },
};
