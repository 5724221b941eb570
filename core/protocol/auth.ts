// Mutual proof that both ends of a ctl_conn know the same token. It must never know messages or sockets, and it never
// puts a token into an error.
//
// HMAC-SHA-256 comes from node:crypto, because Web Crypto is asynchronous and a reactor never yields. Importing it costs
// one Worker about 14 ms at start-up with Deno 2.9.6 (1 ms with 2.5.7), so relay Workers must not import this file.

import { Buffer } from "node:buffer";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Bytes of a nonce; as hex it is twice as long. */
export const NONCE_BYTES = 32;

/** Bytes of a client's instance; as hex it is twice as long. */
export const INSTANCE_BYTES = 16;

/** What both ends said before the proofs: lower-case hex, straight from the messages. */
export interface Greeting {
  /** `version` of NewCtlReq, u32. */
  version: number;
  /** `nonce` of NewCtlReq. */
  clientNonce: string;
  /** `nonce` of NewCtlChallenge. */
  serverNonce: string;
  /** `instance` of NewCtlReq. */
  instance: string;
}

// Different labels, so that what one end proves can never be played back to it as the other's proof.
const CLIENT_LABEL = "CProxy client";
const SERVER_LABEL = "CProxy server";

/** A nonce for one ctl_conn: 32 random bytes as lower-case hex. */
export function newNonce(): string {
  return randomBytes(NONCE_BYTES).toString("hex");
}

/** The instance of a client process: 16 random bytes as lower-case hex. Make one at start. */
export function newInstance(): string {
  return randomBytes(INSTANCE_BYTES).toString("hex");
}

/**
 * What the client sends in NewCtlProof, and the server expects there: 64 lower-case hex digits.
 * @throws {RangeError} if the token is empty or the greeting is malformed
 */
export function clientProof(token: string, greeting: Greeting): string {
  return proof(token, CLIENT_LABEL, greeting);
}

/**
 * What the server sends in NewCtlRsp, only after the client's proof matched: 64 lower-case hex digits.
 * @throws {RangeError} if the token is empty or the greeting is malformed
 */
export function serverProof(token: string, greeting: Greeting): string {
  return proof(token, SERVER_LABEL, greeting);
}

/** Whether two proofs are equal, in constant time for proofs of equal length. An empty proof matches nothing. */
export function proofMatches(expected: string, received: string): boolean {
  const encoder = new TextEncoder();
  const a = encoder.encode(expected);
  const b = encoder.encode(received);
  return a.length > 0 && a.length === b.length && timingSafeEqual(a, b);
}

/**
 * Which of several tokens a client has, by its proof: the place among them, or -1. Every token is tried, also behind the
 * one that matches, so that the time this takes does not tell which. It takes about 10 µs for each.
 * @throws {RangeError} if a token is empty or the greeting is malformed
 */
export function provedToken(tokens: readonly string[], greeting: Greeting, received: string): number {
  const message = proofMessage(CLIENT_LABEL, greeting);
  const bytes = Buffer.from(received, "hex");
  let found = -1;
  for (let place = 0; place < tokens.length; place++) {
    const expected = hmac(tokens[place], message).digest();
    if (expected.length === bytes.length && timingSafeEqual(expected, bytes)) found = place;
  }
  return found;
}

function proof(token: string, label: string, greeting: Greeting): string {
  return hmac(token, proofMessage(label, greeting)).digest("hex");
}

function hmac(token: string, message: Uint8Array): ReturnType<typeof createHmac> {
  // An empty key is one that everybody knows.
  if (token === "") throw new RangeError("The token must not be empty");
  return createHmac("sha256", Buffer.from(token)).update(message);
}

/** Every part but the label has a fixed size, and the label ends with a 0: no two greetings give the same bytes. */
function proofMessage(label: string, greeting: Greeting): Uint8Array {
  const version = Buffer.alloc(4);
  version.writeUInt32BE(greeting.version);
  const { clientNonce, serverNonce, instance } = greeting;
  const rest = hex(clientNonce, NONCE_BYTES) + hex(serverNonce, NONCE_BYTES) + hex(instance, INSTANCE_BYTES);
  return Buffer.concat([Buffer.from(`${label}\0`), version, Buffer.from(rest, "hex")]);
}

function hex(text: string, bytes: number): string {
  // node:crypto stops silently at the first character that is not hex.
  if (text.length !== 2 * bytes || !/^[0-9a-f]*$/.test(text)) {
    throw new RangeError(`Expected ${bytes} bytes as lower-case hex, not "${text}"`);
  }
  return text;
}
