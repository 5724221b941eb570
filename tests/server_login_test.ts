// The login, both sides of it: who gets in, who is told why not, and who is not believed.

import { internetAddress, type SocketAddress, unixAddress } from "../ffi/socket_address.ts";
import { ServerLogin } from "../core/client/control/server_login.ts";
import { clientProof, newInstance, newNonce, serverProof } from "../core/protocol/auth.ts";
import type { CtlConn } from "../core/protocol/ctl_conn.ts";
import { controlId } from "./support/ids.ts";
import type { CtlMessage, NewCtlReq } from "../core/protocol/messages.ts";
import { ProtocolError } from "../core/protocol/protocol_error.ts";
import { PROTOCOL_VERSION } from "../core/protocol/wire.ts";
import { type LoggedIn, Login } from "../core/server/control/login.ts";
import { assert, assertEquals, assertStringIncludes, assertThrows } from "./support/assert.ts";
import { bytesOf, exchange, messagesAt, only } from "./support/ctl_peer.ts";
import { grant } from "./support/grants.ts";
import { newTunnelReq } from "./support/messages.ts";
import { type Peer, type Stage, testOnStage } from "./support/stage.ts";

const LOOPBACK = internetAddress("127.0.0.1", 4711)!;
const ELSEWHERE = internetAddress("192.0.2.7", 4711)!;
const INSTANCE = newInstance();

/** A server's side of one login, with what came of it. */
class Desk {
  readonly far: Peer;
  readonly loggedIn: LoggedIn[] = [];
  readonly failed: string[] = [];
  readonly login: Login;
  /** How long a proof waits. */
  delayMs = 0;
  mayCompareNow = false;
  begun = 0;
  proved = 0;
  wrongProofs = 0;
  /** How often it was said that this is no stranger any more. */
  gone = 0;
  /** What the owner after the login heard. */
  readonly later: (CtlMessage | string)[] = [];
  readonly #stage: Stage;
  #conn: CtlConn | null = null;

  /** `first` has come when the connection is accepted. */
  constructor(
    stage: Stage,
    token: string | null | string[],
    address: SocketAddress = LOOPBACK,
    first: Uint8Array | null = null,
  ) {
    const tokens = Array.isArray(token) ? token : [token];
    this.#stage = stage;
    const { fd, peer } = stage.connectUnwatched();
    this.far = peer;
    if (first !== null) peer.sendAll(first);
    this.login = new Login(stage.loop, fd, address, tokens.map((token, id) => grant({ id, token })), {
      onLoginBegun: () => this.begun++,
      onProofShown: () => this.proved++,
      delayMs: () => this.delayMs,
      mayCompareNow: () => this.mayCompareNow,
      onWrongProof: () => this.wrongProofs++,
      onStrangerGone: () => this.gone++,
      whyNotIn: () => null,
      onLoggedIn: (login) => {
        this.loggedIn.push(login);
        this.#conn = login.conn;
        return { onMessage: (message) => this.later.push(message), onClosed: (reason) => this.later.push(reason) };
      },
      onLoginFailed: (address, reason) => this.failed.push(`${address}: ${reason}`),
    });
    if (first !== null) this.login.start();
    else stage.step();
  }

  exchange(...messages: CtlMessage[]): CtlMessage[] {
    return exchange(this.#stage, this.far, ...messages);
  }

  /** What a refused client is told: one message, and the end of the connection. */
  refusal(messages: CtlMessage[]): string {
    const rsp = only(messages, "NewCtlRsp");
    assert(!rsp.ok);
    this.#stage.step(2);
    assertEquals(this.far.read().state, "end");
    assertEquals(this.loggedIn.length, 0);
    return rsp.reason;
  }

  close(): void {
    this.#conn?.close();
    this.far.close();
    this.#stage.step(3);
  }
}

/** A login by the real client's side; what it says in the end. */
function logIn(desk: Desk, token: string | null): ReturnType<ServerLogin["onMessage"]> {
  const login = new ServerLogin(token, INSTANCE, "cproxy-client 1.2.3");
  const step = login.onMessage(desk.exchange(login.request)[0]);
  if (step.kind !== "answer") return step;
  const [rsp] = desk.exchange(step.message);
  if (rsp !== undefined) return login.onMessage(rsp);
  // the server is convinced; its owner answers
  const { proof } = desk.loggedIn[0];
  return login.onMessage(accepted(proof));
}

function accepted(proof: string): CtlMessage {
  return {
    type: "NewCtlRsp",
    ok: true,
    proof,
    proxy_port: 8090,
    heartbeat_timeout_ms: 30_000,
    control: controlId(1),
  };
}

function request(fields: Partial<NewCtlReq> = {}): NewCtlReq {
  const version = PROTOCOL_VERSION;
  return { type: "NewCtlReq", version, nonce: newNonce(), instance: INSTANCE, program: "test", workers: 1, ...fields };
}

testOnStage("with the same token both sides believe each other", (stage) => {
  const desk = new Desk(stage, "secret", ELSEWHERE);
  const step = logIn(desk, "secret");
  assertEquals(step.kind, "in");
  const [{ instance, program, address, proof }] = desk.loggedIn;
  assertEquals([instance, program, address], [INSTANCE, "cproxy-client 1.2.3", "192.0.2.7:4711"]);
  assertEquals(proof.length, 64);
  assertEquals(desk.failed, []);
  desk.close();
});

testOnStage("without a token on either side a client on the same host is let in", (stage) => {
  for (const address of [LOOPBACK, internetAddress("::1", 1)!, unixAddress("/run/cproxy.sock")]) {
    const desk = new Desk(stage, null, address);
    assertEquals(logIn(desk, null).kind, "in");
    assertEquals(desk.loggedIn[0].proof, "");
    desk.close();
  }
});

testOnStage("without a token a client from elsewhere is told to get one", (stage) => {
  for (const ip of ["192.0.2.7", "::ffff:192.0.2.7", "2001:db8::1"]) {
    const desk = new Desk(stage, null, internetAddress(ip, 4711)!);
    const reason = desk.refusal(desk.exchange(request()));
    assertStringIncludes(reason, "no token and serves only clients on its own host");
    assertEquals(desk.failed.length, 1);
    assertStringIncludes(desk.failed[0], reason);
    desk.close();
  }
});

testOnStage("a wrong token is refused, and the client is told", (stage) => {
  const desk = new Desk(stage, "secret");
  assertEquals(logIn(desk, "Secret"), { kind: "out", reason: "The client's token is not the server's" });
  stage.step(2);
  assertEquals(desk.far.read().state, "end");
  assertEquals([desk.loggedIn.length, desk.failed], [
    0,
    ["127.0.0.1:4711: The client's token is not the server's"],
  ]);
  desk.close();
});

testOnStage("of several tokens the client's own says which client it is", (stage) => {
  const tokens = ["first", "second", "third"];
  tokens.forEach((token, id) => {
    const desk = new Desk(stage, tokens, ELSEWHERE);
    assertEquals(logIn(desk, token).kind, "in", "and the server proves the same one");
    assertEquals(desk.loggedIn[0].grant.id, id);
    desk.close();
  });
  for (const token of ["fourth", null]) {
    const desk = new Desk(stage, tokens);
    assertEquals(logIn(desk, token).kind, "out");
    assertEquals(desk.loggedIn, []);
    desk.close();
  }
});

testOnStage("a client without a token is refused by a server that has one", (stage) => {
  const desk = new Desk(stage, "secret");
  const reason = "This server demands a token, and the client has none";
  assertEquals(logIn(desk, null), { kind: "out", reason });
  desk.close();
});

testOnStage("a client with a token does not log in to a server without one", (stage) => {
  const desk = new Desk(stage, null);
  const step = logIn(desk, "secret");
  assert(step.kind === "out");
  assertStringIncludes(step.reason, "it may be the wrong server");
  assertEquals(desk.loggedIn, []);
  desk.close();
});

testOnStage("a client of another version is told both versions", (stage) => {
  const desk = new Desk(stage, "secret");
  const reason = desk.refusal(desk.exchange(request({ version: PROTOCOL_VERSION + 1 })));
  assertEquals(reason, `This server speaks protocol version ${PROTOCOL_VERSION}, the client ${PROTOCOL_VERSION + 1}`);
  desk.close();
});

testOnStage("a proof of an earlier login is worth nothing in another", (stage) => {
  const first = new Desk(stage, "secret");
  const req = request();
  const { nonce } = only(first.exchange(req), "NewCtlChallenge");
  const greeting = {
    version: req.version,
    clientNonce: req.nonce,
    serverNonce: nonce,
    instance: req.instance,
  };
  const proof = { type: "NewCtlProof" as const, auth: "token" as const, proof: clientProof("secret", greeting) };
  first.exchange(proof);
  assertEquals(first.loggedIn.length, 1);
  const second = new Desk(stage, "secret");
  second.exchange(req);
  assertEquals(second.refusal(second.exchange(proof)), "The client's token is not the server's");
  first.close();
  second.close();
});

testOnStage("the server does not take its own kind of proof for a client's", (stage) => {
  const desk = new Desk(stage, "secret");
  const req = request();
  const { nonce } = only(desk.exchange(req), "NewCtlChallenge");
  const greeting = { version: req.version, clientNonce: req.nonce, serverNonce: nonce, instance: req.instance };
  const proof = serverProof("secret", greeting);
  desk.refusal(desk.exchange({ type: "NewCtlProof", auth: "token", proof }));
  desk.close();
});

testOnStage("a stranger that says anything else is cut off", (stage) => {
  const wrong: CtlMessage[][] = [
    [{ type: "Heartbeat" }],
    [newTunnelReq(1, "web", 80)],
    [{ type: "NewCtlProof", auth: "none", proof: "" }],
    [request(), request()],
    [accepted("")],
  ];
  for (const messages of wrong) {
    const desk = new Desk(stage, null);
    desk.exchange(...messages);
    stage.step(2);
    assert(desk.far.read().state !== "open");
    assertEquals(desk.failed, [`127.0.0.1:4711: ${messages.at(-1)!.type} before the login`]);
    assertEquals(desk.loggedIn, []);
    desk.close();
  }
});

testOnStage("a stranger has five seconds", (stage) => {
  const desk = new Desk(stage, "secret");
  stage.advance(3000);
  desk.exchange(request());
  stage.advance(2500);
  assertEquals(desk.failed, ["127.0.0.1:4711: no login in time"]);
  desk.close();
});

testOnStage(
  "what has come with the connection is read at once, and who has said nothing by then has two seconds",
  (stage) => {
    const early = new Desk(stage, "secret", LOOPBACK, bytesOf(request()));
    const silent = new Desk(stage, "secret", LOOPBACK, new Uint8Array());
    const slow = new Desk(stage, "secret", LOOPBACK, bytesOf(request()).subarray(0, 1));
    assertEquals([early, silent, slow].map(({ begun }) => begun), [1, 0, 0]);
    stage.advance(2100);
    assertEquals([early, silent, slow].map(({ failed }) => failed.length), [0, 1, 0]);
    stage.advance(3000);
    for (const desk of [early, silent, slow]) {
      assertEquals(desk.failed, ["127.0.0.1:4711: no login in time"]);
      desk.close();
    }
  },
);

testOnStage("what a client says right behind its login is for its next owner, and so is its end", (stage) => {
  const desk = new Desk(stage, null);
  desk.exchange(request());
  const tunnel = newTunnelReq(1, "web", 0);
  desk.far.sendAll(bytesOf({ type: "NewCtlProof", auth: "none", proof: "" }, tunnel));
  desk.far.finish();
  stage.step(3);
  assertEquals(desk.later, [tunnel, "closed by the peer"]);
  assertEquals([desk.failed, messagesAt(desk.far)], [[], []]);
  desk.close();
});

testOnStage("a proof that has to wait is looked at then, and a right one gets in", (stage) => {
  const desk = new Desk(stage, "secret");
  desk.delayMs = 3000;
  const login = new ServerLogin("secret", INSTANCE, "test");
  const step = login.onMessage(desk.exchange(login.request)[0]);
  assert(step.kind === "answer");
  desk.exchange(step.message);
  stage.advance(2900);
  assertEquals([desk.loggedIn.length, desk.gone], [0, 0]);
  stage.advance(200);
  assertEquals([desk.loggedIn.length, desk.gone, desk.wrongProofs], [1, 1, 0]);
  desk.close();
  assertEquals([desk.failed, desk.gone, stage.loop.timers.size], [[], 1, 0]);
});

testOnStage(
  "where a proof may be compared at once a right one gets in, and a wrong one is answered as late as ever",
  (stage) => {
    for (const token of ["secret", "Secret"]) {
      const desk = new Desk(stage, "secret");
      desk.delayMs = 3000;
      desk.mayCompareNow = true;
      const login = new ServerLogin(token, INSTANCE, "test");
      const step = login.onMessage(desk.exchange(login.request)[0]);
      assert(step.kind === "answer");
      const answers = desk.exchange(step.message);
      assertEquals(desk.proved, 1);
      if (token === "secret") assertEquals(desk.loggedIn.length, 1);
      else {
        assertEquals([answers, desk.wrongProofs, desk.failed], [[], 1, []]);
        stage.advance(2900);
        assertEquals(messagesAt(desk.far), []);
        stage.advance(200);
        assertEquals([desk.refusal(messagesAt(desk.far)), desk.wrongProofs, desk.loggedIn], [
          "The client's token is not the server's",
          1,
          [],
        ]);
      }
      desk.close();
    }
  },
);

testOnStage("while a proof waits, its connection may go, and another proof is one too many", (stage) => {
  for (const [act, reason] of [["leave", "closed by the peer"], ["again", "NewCtlProof before the login"]]) {
    const desk = new Desk(stage, "secret");
    desk.delayMs = 3000;
    const login = new ServerLogin("secret", INSTANCE, "test");
    const step = login.onMessage(desk.exchange(login.request)[0]);
    assert(step.kind === "answer");
    desk.exchange(step.message);
    if (act === "leave") desk.far.finish();
    else desk.exchange(step.message);
    stage.step(2);
    assertEquals(desk.failed, [`127.0.0.1:4711: ${reason}`]);
    stage.advance(3100);
    assertEquals(desk.gone, 1);
    assertEquals([desk.loggedIn.length, stage.loop.timers.size], [0, 0]);
    desk.close();
  }
});

testOnStage("a refused client counts as a stranger until its connection is closed", (stage) => {
  const desk = new Desk(stage, "secret");
  logIn(desk, "Secret");
  assertEquals([desk.begun, desk.wrongProofs, desk.failed.length, desk.gone], [1, 1, 1, 0]);
  stage.advance(1100);
  assertEquals(desk.gone, 1);
  desk.close();
});

testOnStage("a login that has to make room is closed, and that is no failed login", (stage) => {
  const desk = new Desk(stage, "secret");
  desk.login.evict();
  stage.step();
  assertEquals([desk.far.read().state, desk.gone, desk.failed], ["end", 1, []]);
  desk.close();
});

Deno.test("a server that sends the client's own proof back does not know the token", () => {
  const login = new ServerLogin("secret", INSTANCE, "test");
  const step = login.onMessage({
    type: "NewCtlChallenge",
    version: PROTOCOL_VERSION,
    nonce: newNonce(),
    auth: "token",
  });
  assert(step.kind === "answer");
  assertEquals(login.onMessage(accepted(step.message.proof)), {
    kind: "out",
    reason: "The server does not know the token",
  });
});

Deno.test("a server that proves nothing is not believed", () => {
  for (const proof of ["", "0".repeat(64)]) {
    const login = new ServerLogin("secret", INSTANCE, "test");
    login.onMessage({ type: "NewCtlChallenge", version: PROTOCOL_VERSION, nonce: newNonce(), auth: "token" });
    assertEquals(login.onMessage(accepted(proof)).kind, "out");
  }
});

Deno.test("a server that accepts before it has asked, or asks twice, breaks the protocol", () => {
  const challenge: CtlMessage = {
    type: "NewCtlChallenge",
    version: PROTOCOL_VERSION,
    nonce: newNonce(),
    auth: "none",
  };
  assertThrows(() => new ServerLogin(null, INSTANCE, "test").onMessage(accepted("")), ProtocolError);
  const login = new ServerLogin(null, INSTANCE, "test");
  login.onMessage(challenge);
  assertThrows(() => login.onMessage(challenge), ProtocolError);
});

Deno.test("a server of another version is named by it", () => {
  const version = PROTOCOL_VERSION + 1;
  const step = new ServerLogin("secret", INSTANCE, "test").onMessage({
    type: "NewCtlChallenge",
    version,
    nonce: newNonce(),
    auth: "token",
  });
  assertEquals(step, {
    kind: "out",
    reason: `The server speaks protocol version ${version}, this client ${PROTOCOL_VERSION}`,
  });
});

Deno.test("every login has a nonce of its own and the same instance", () => {
  const [one, other] = [1, 2].map(() => new ServerLogin("secret", INSTANCE, "test").request);
  assert(one.nonce !== other.nonce);
  assertEquals([one.instance, other.instance], [INSTANCE, INSTANCE]);
});
