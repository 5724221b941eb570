// Mutual proof that both ends of a ctl_conn know the same token. It must never know messages or sockets, and it never
// puts a token into an error.
//
// HMAC-SHA-256 is written in JavaScript: Web Crypto is asynchronous and a reactor never yields, and node:crypto costs each
// isolate that imports it 3.5 MiB and 14 ms at start-up (Deno 2.9.6).

import { hmac as newHmac } from "@noble/hashes/hmac";
import { sha256 } from "@noble/hashes/sha2";

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

const encoder = new TextEncoder();
/** Bytes as lower-case hex. */
const HEX = /^(?:[0-9a-f]{2})*$/;

/** A nonce for one ctl_conn: 32 random bytes as lower-case hex. */
export function newNonce(): string {
  return randomHex(NONCE_BYTES);
}

/** The instance of a client process: 16 random bytes as lower-case hex. Make one at start. */
export function newInstance(): string {
  return randomHex(INSTANCE_BYTES);
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
  return expected !== "" && equalInConstantTime(encoder.encode(expected), encoder.encode(received));
}

/**
 * Which of several tokens a client has, by its proof: the place among them, or -1. Every token is tried, also behind the
 * one that matches, so that the time this takes does not tell which. It takes about 5 us for each, and up to 80 us for
 * each of the first few hundred, until the code is compiled.
 * @throws {RangeError} if a token is empty or the greeting is malformed
 */
export function provedToken(tokens: readonly string[], greeting: Greeting, received: string): number {
  const message = proofMessage(CLIENT_LABEL, greeting);
  const bytes = HEX.test(received) ? fromHex(received) : new Uint8Array();
  let found = -1;
  for (let place = 0; place < tokens.length; place++) {
    if (equalInConstantTime(hmac(tokens[place], message), bytes)) found = place;
  }
  return found;
}

function proof(token: string, label: string, greeting: Greeting): string {
  return toHex(hmac(token, proofMessage(label, greeting)));
}

function hmac(token: string, message: Uint8Array): Uint8Array {
  // An empty key is one that everybody knows.
  if (token === "") throw new RangeError("The token must not be empty");
  return newHmac(sha256, encoder.encode(token), message);
}

/** Every part but the label has a fixed size, and the label ends with a 0: no two greetings give the same bytes. */
function proofMessage(label: string, greeting: Greeting): Uint8Array {
  const { version, clientNonce, serverNonce, instance } = greeting;
  const rest = hex(clientNonce, NONCE_BYTES) + hex(serverNonce, NONCE_BYTES) + hex(instance, INSTANCE_BYTES);
  const start = encoder.encode(`${label}\0`);
  const message = new Uint8Array(start.length + 4 + rest.length / 2);
  message.set(start);
  new DataView(message.buffer).setUint32(start.length, version);
  message.set(fromHex(rest), start.length + 4);
  return message;
}

function hex(text: string, bytes: number): string {
  if (text.length !== 2 * bytes || !HEX.test(text)) {
    throw new RangeError(`Expected ${bytes} bytes as lower-case hex, not "${text}"`);
  }
  return text;
}

/** Compares all bytes, wherever they differ first; only a different length is seen sooner. */
function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  let difference = 0;
  for (let i = 0; i < a.length; i++) difference |= a[i] ^ b[i];
  return difference === 0;
}

function randomHex(bytes: number): string {
  return toHex(crypto.getRandomValues(new Uint8Array(bytes)));
}

function toHex(bytes: Uint8Array): string {
  let text = "";
  for (const byte of bytes) text += byte.toString(16).padStart(2, "0");
  return text;
}

/** The bytes of an even number of hex digits. */
function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length / 2);
  for (let i = 0; i < bytes.length; i++) bytes[i] = parseInt(text.slice(2 * i, 2 * i + 2), 16);
  return bytes;
}
