// The test's end of a ctl_conn: whole messages instead of bytes. It knows no order in which they come.

import { FrameReader, FrameWriter } from "../../core/protocol/frames.ts";
import type { CtlMessage, Notice } from "../../core/protocol/messages.ts";
import { NoticeWriter } from "../../core/protocol/notices.ts";
import { MAX_FRAME_BYTES } from "../../core/protocol/wire.ts";
import type { Peer, Stage } from "./stage.ts";

/** The bytes of some messages of a ctl_conn. */
export function bytesOf(...messages: CtlMessage[]): Uint8Array {
  const writer = new FrameWriter();
  for (const message of messages) writer.append(message);
  return writer.bytes().slice();
}

/** The bytes of some notices. */
export function noticeBytes(...notices: Notice[]): Uint8Array {
  const writer = new NoticeWriter();
  for (const notice of notices) {
    const { proxy, session } = notice;
    if (notice.type === "FreeProxyConnReq") writer.appendFreeProxyConn(proxy, session);
    else if (notice.type === "ResetSession") writer.appendResetSession(proxy, session, notice.total);
    else writer.appendShutdownPeer(proxy, session, notice.total);
  }
  return writer.bytes().slice();
}

/** All messages that have come at a test's end; fails when the last one is not whole. */
export function messagesAt(peer: Peer): CtlMessage[] {
  const bytes = peer.read().take();
  const reader = new FrameReader(MAX_FRAME_BYTES);
  const messages: CtlMessage[] = [];
  for (let at = 0; at < bytes.length;) {
    const room = reader.room();
    const count = Math.min(room.length, bytes.length - at);
    room.set(bytes.subarray(at, at + count));
    reader.filled(count);
    at += count;
    for (let message = reader.next(); message !== null; message = reader.next()) messages.push(message);
  }
  if (reader.length > 0) throw new Error(`${reader.length} bytes of a message that is not whole`);
  return messages;
}

/** Sends some messages, lets the loop turn, and gives what came back. */
export function exchange(stage: Stage, peer: Peer, ...messages: CtlMessage[]): CtlMessage[] {
  peer.sendAll(bytesOf(...messages));
  stage.step(3);
  return messagesAt(peer);
}

/** The only message of a list, which must be of that type. */
export function only<T extends CtlMessage["type"]>(
  messages: readonly CtlMessage[],
  type: T,
): Extract<CtlMessage, { type: T }> {
  const [message] = messages;
  if (messages.length !== 1 || message.type !== type) {
    throw new Error(`Expected ${type} and nothing else, not ${JSON.stringify(messages)}`);
  }
  return message as Extract<CtlMessage, { type: T }>;
}
