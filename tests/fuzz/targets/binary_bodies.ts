// The bodies of the frequent messages, and tickets. An input is a type byte and the body behind it. Every field is
// checked and none is ignored, so what is accepted must give the same bytes when it is written again.

import { decodeMessage, FrameWriter } from "../../../core/protocol/frames.ts";
import { ProtocolError } from "../../../core/protocol/protocol_error.ts";
import { readTicket, sameTicket, TICKET_BYTES, writeTicket } from "../../../core/protocol/ticket.ts";
import { CTL_TYPE_CODE } from "../../../core/protocol/wire.ts";
import { bytesToHex } from "../hex.ts";
import { binaryMessage } from "../messages.ts";
import { bug, expectOneLine, type Target } from "../target.ts";

const LENGTH_BYTES = 4;

/** decodeMessage for everything but JSON. */
export const binaryBodies: Target = {
  name: "binary_bodies",
  share: 24,
  longest: 40,
  valid(random) {
    const writer = new FrameWriter();
    writer.append(binaryMessage(random));
    return writer.bytes().slice(LENGTH_BYTES);
  },
  accepts(input) {
    if (input.length === 0 || isJson(input[0])) return false;
    // as in a reader: the body lies somewhere in a larger buffer that has more behind it
    const buffer = new Uint8Array(3 + input.length + 32).fill(0x5a);
    buffer.set(input, 3);
    try {
      const message = decodeMessage(input[0], new DataView(buffer.buffer), 4, input.length - 1);
      for (const [key, value] of Object.entries(message)) {
        if ((key === "proxy" || key === "session") && !(value >= 1)) bug(`Accepted with ${key} ${value}`);
      }
      const writer = new FrameWriter();
      writer.append(message);
      expectSame(writer.bytes().subarray(LENGTH_BYTES), input);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      expectOneLine(error.message, 200);
      return false;
    }
  },
};

function isJson(code: number): boolean {
  return code !== CTL_TYPE_CODE.Heartbeat && code >= CTL_TYPE_CODE.NewCtlReq && code <= CTL_TYPE_CODE.CloseTunnel;
}

/** Fails unless both are the same bytes. */
export function expectSame(written: Uint8Array, read: Uint8Array): void {
  let same = written.length === read.length;
  for (let i = 0; same && i < read.length; i++) same = written[i] === read[i];
  if (!same) bug(`Accepted ${bytesToHex(read)} and written again as ${bytesToHex(written)}`);
}

/** Two tickets, read, compared and written. */
export const tickets: Target = {
  name: "tickets",
  share: 6,
  longest: 2 * TICKET_BYTES,
  valid(random) {
    const both = new Uint8Array(2 * TICKET_BYTES);
    for (let i = 0; i < TICKET_BYTES; i++) both[i] = both[i + TICKET_BYTES] = random.between(0, 255);
    return both;
  },
  accepts(input) {
    const both = new Uint8Array(2 * TICKET_BYTES);
    both.set(input);
    const view = new DataView(both.buffer);
    const [a, b] = [readTicket(view, 0), readTicket(view, TICKET_BYTES)];
    const again = new Uint8Array(2 * TICKET_BYTES);
    writeTicket(new DataView(again.buffer), 0, a);
    writeTicket(new DataView(again.buffer), TICKET_BYTES, b);
    expectSame(again, both);
    let equal = true;
    for (let i = 0; i < TICKET_BYTES; i++) equal &&= both[i] === both[i + TICKET_BYTES];
    if (sameTicket(a, b) !== equal) bug("sameTicket does not say what the bytes say");
    return equal;
  },
};
