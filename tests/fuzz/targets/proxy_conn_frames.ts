// What travels on a ProxyConn: the greeting of 36 bytes and the frames of 16. Every bit of them has a meaning or must be
// 0, so what is accepted must give the same bytes when it is written again.

import {
  decodeStartReq,
  decodeStartRsp,
  encodePreambleAndMeta,
  encodeStartReq,
  encodeStartRsp,
  GREETING_BYTES,
  newStartReq,
  newStartRsp,
  parsePreamble,
  parseProxyMetaSet,
  PREAMBLE_BYTES,
  PROXY_FRAME_BYTES,
  START_ASK,
  type StartStatus,
} from "../../../core/protocol/proxy_frame.ts";
import { ProtocolError } from "../../../core/protocol/protocol_error.ts";
import { proxyId, sessionNo, tunnelNo } from "../../support/ids.ts";
import { numberIn } from "../messages.ts";
import { bug, expectOneLine, type Target } from "../target.ts";
import { expectSame } from "./binary_bodies.ts";

/** Whether `body` ends without a ProtocolError; everything else that it throws goes on. */
function accepted(body: () => void): boolean {
  try {
    body();
    return true;
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error;
    expectOneLine(error.message, 200);
    return false;
  }
}

/** Exactly so many bytes, as a receiver waits for them: what is missing is 0. */
function exactly(input: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  bytes.set(input.subarray(0, size));
  return bytes;
}

/** Preamble and ProxyMetaSet. */
export const greetings: Target = {
  name: "greetings",
  share: 18,
  longest: 48,
  valid(random) {
    const word = () => numberIn(random, 0, 0xffff_ffff) | 0;
    const proxy = proxyId(numberIn(random, 1, 0xffff_ffff));
    return encodePreambleAndMeta(numberIn(random, 0, 255), proxy, [word(), word(), word(), word()]);
  },
  accepts(input) {
    const bytes = exactly(input, GREETING_BYTES);
    return accepted(() => {
      const worker = parsePreamble(new DataView(bytes.buffer, 0, PREAMBLE_BYTES));
      const { proxy, ticket } = parseProxyMetaSet(new DataView(bytes.buffer, PREAMBLE_BYTES));
      if (proxy < 1) bug("Accepted for the ProxyConn 0");
      expectSame(encodePreambleAndMeta(worker, proxy, ticket), bytes);
    });
  },
};

/** The frames of a ProxyConn, each given to every reader: at most one may take it. */
export const proxyFrames: Target = {
  name: "proxy_frames",
  share: 20,
  longest: 24,
  valid(random) {
    const view = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    const session = sessionNo(numberIn(random, 1, 0xffff_ffff));
    if (random.chance(0.5)) encodeStartRsp(view, session, random.between(0, 2) as StartStatus);
    else {
      const tunnel = tunnelNo(numberIn(random, 1, 0xffff));
      encodeStartReq(view, session, tunnel, random.between(0, START_ASK), numberIn(random, 0, 0xffff_ffff));
    }
    return new Uint8Array(view.buffer);
  },
  accepts(input) {
    const bytes = exactly(input, PROXY_FRAME_BYTES);
    const view = new DataView(bytes.buffer);
    const again = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
    const readers = [
      () => {
        const req = newStartReq();
        decodeStartReq(view, req);
        if (req.session < 1 || req.tunnel < 1) bug("Accepted for a session or a tunnel 0");
        encodeStartReq(again, req.session, req.tunnel, req.ask ? START_ASK : 0, req.visitor);
      },
      () => {
        const rsp = newStartRsp();
        decodeStartRsp(view, rsp);
        if (rsp.session < 1) bug("Accepted for the session 0");
        encodeStartRsp(again, rsp.session, rsp.status);
      },
    ];
    const takers = readers.filter(accepted).length;
    if (takers > 1) bug("One frame is read as two");
    if (takers === 1) expectSame(new Uint8Array(again.buffer), bytes);
    return takers === 1;
  },
};
