import {
  clientProof,
  type Greeting,
  newInstance,
  newNonce,
  proofMatches,
  provedToken,
  serverProof,
} from "../core/protocol/auth.ts";
import { assert, assertEquals, assertMatch, assertNotEquals, assertThrows } from "./support/assert.ts";

const greeting: Greeting = {
  version: 1,
  clientNonce: "01".repeat(32),
  serverNonce: "02".repeat(32),
  instance: "03".repeat(16),
};

Deno.test("A proof is the HMAC-SHA-256 that Web Crypto computes over label, 0, version, nonces and instance", async () => {
  const key = await crypto.subtle.importKey(
    "raw",
    new TextEncoder().encode("tökén"),
    { name: "HMAC", hash: "SHA-256" },
    false,
    ["sign"],
  );
  for (const [label, proof] of [["CProxy client", clientProof], ["CProxy server", serverProof]] as const) {
    const label0 = [...new TextEncoder().encode(label), 0];
    const rest = [0, 0, 0, 1, ...Array(32).fill(1), ...Array(32).fill(2), ...Array(16).fill(3)];
    const mac = new Uint8Array(await crypto.subtle.sign("HMAC", key, new Uint8Array([...label0, ...rest])));
    assertEquals(proof("tökén", greeting), Array.from(mac, (b) => b.toString(16).padStart(2, "0")).join(""));
  }
});

Deno.test("Both ends with the same token and greeting make proofs that match", () => {
  assert(proofMatches(clientProof("secret", greeting), clientProof("secret", { ...greeting })));
  assert(proofMatches(serverProof("secret", greeting), serverProof("secret", { ...greeting })));
});

Deno.test("The client's proof played back is no proof of the server", () => {
  assert(!proofMatches(serverProof("secret", greeting), clientProof("secret", greeting)));
});

Deno.test("Another token, version, nonce or instance makes another proof", () => {
  const other = "f".repeat(64);
  const proofs = [
    clientProof("secret", greeting),
    clientProof("Secret", greeting),
    clientProof("secret", { ...greeting, version: 2 }),
    clientProof("secret", { ...greeting, clientNonce: other }),
    clientProof("secret", { ...greeting, serverNonce: other }),
    clientProof("secret", { ...greeting, instance: other.slice(32) }),
    clientProof("secret", { ...greeting, clientNonce: greeting.serverNonce, serverNonce: greeting.clientNonce }),
  ];
  assertEquals(new Set(proofs).size, proofs.length);
});

Deno.test("Of several tokens the one that was proved is found, and by nothing less than its whole proof", () => {
  const tokens = ["first", "second", "third"];
  tokens.forEach((token, place) => assertEquals(provedToken(tokens, greeting, clientProof(token, greeting)), place));
  const proof = clientProof("second", greeting);
  const wrong = [
    "",
    "zz",
    proof.slice(2),
    proof + "00",
    clientProof("fourth", greeting),
    serverProof("second", greeting),
  ];
  for (const received of wrong) assertEquals(provedToken(tokens, greeting, received), -1);
  assertThrows(() => provedToken(["first", ""], greeting, proof), RangeError, "must not be empty");
});

Deno.test("An empty proof matches nothing, not even another empty one", () => {
  assert(!proofMatches("", ""));
  assert(!proofMatches(clientProof("secret", greeting), ""));
});

Deno.test("Proofs of different lengths do not match", () => {
  const proof = clientProof("secret", greeting);
  assert(!proofMatches(proof, proof.slice(2)));
  assert(!proofMatches(proof, proof + "00"));
});

Deno.test("An empty token proves nothing and is refused", () => {
  assertThrows(() => clientProof("", greeting), RangeError, "must not be empty");
  assertThrows(() => serverProof("", greeting), RangeError, "must not be empty");
});

Deno.test("A malformed nonce or instance is refused, not cut short", () => {
  assertThrows(() => clientProof("secret", { ...greeting, clientNonce: "0x" + "0".repeat(62) }), RangeError);
  assertThrows(() => clientProof("secret", { ...greeting, serverNonce: "00" }), RangeError);
  assertThrows(() => clientProof("secret", { ...greeting, instance: "0".repeat(64) }), RangeError);
});

Deno.test("Nonces and instances are lower-case hex of the right length, each time others", () => {
  assertMatch(newNonce(), /^[0-9a-f]{64}$/);
  assertMatch(newInstance(), /^[0-9a-f]{32}$/);
  assertNotEquals(newNonce(), newNonce());
  assertNotEquals(newInstance(), newInstance());
});
