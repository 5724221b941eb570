// The records between Workers: what one writes is what the other reads, also where an i32 is not enough.

import type { Descriptor } from "../ffi/descriptor.ts";
import type { ControlId, ProxyId, TunnelNo } from "../core/protocol/ids.ts";
import type { Mailbox } from "../core/reactor/mailbox.ts";
import type { TunnelRow } from "../core/relay/counters.ts";
import {
  readClientUp,
  readControlLost,
  readNeedProxy,
  readProxyConn,
  readPublicConn,
  readServerUp,
  readTunnelPort,
  sendClientUp,
  sendControlLost,
  sendNeedProxy,
  sendProxyConn,
  sendPublicConn,
  sendServerUp,
  sendTunnelPort,
} from "../core/relay/records.ts";
import {
  type ListenRangeRecord,
  readListen,
  readListening,
  readListenRange,
  readUnlisten,
  sendListen,
  sendListening,
  sendListenRange,
  sendUnlisten,
  sendUnlistened,
} from "../core/server/listen_records.ts";
import { assertEquals } from "./support/assert.ts";
import { Post } from "./support/post.ts";

const TO = 1;
const LARGEST = 0xffff_ffff;
const [control, proxy] = [LARGEST as ControlId, 0x8000_0000 as ProxyId];
const [fd, tunnel, row] = [70_000 as Descriptor, 0xffff as TunnelNo, 65_534 as TunnelRow];
const ticket = [-1, 0x7fff_ffff, -0x8000_0000, 0] as const;

/** What `read` makes of a record that went through a ring. */
function through<T>(send: (mailbox: Mailbox) => void, read: (words: Int32Array, at: number) => T): T {
  const post = new Post(2, 2);
  try {
    const got: T[] = [];
    const { mailbox } = post.open(TO);
    mailbox.setHandler({
      onRecord: (_from, words, at) => void got.push(read(words, at)),
      onMessage() {},
      onPhase() {},
    });
    send(post.open(0).mailbox);
    mailbox.deliver();
    assertEquals(got.length, 1);
    return got[0];
  } finally {
    post.dispose();
  }
}

Deno.test("what a connection is handed over with arrives", () => {
  assertEquals(
    through((mailbox) => sendPublicConn(mailbox, TO, fd, control, tunnel, row, 3, -7), readPublicConn),
    { fd, control, tunnel, row, place: 3, visitor: -7 },
  );
  assertEquals(
    through((mailbox) => sendProxyConn(mailbox, TO, fd, proxy, ticket), readProxyConn),
    { fd, proxy, ticket },
  );
  assertEquals(
    through((mailbox) => sendNeedProxy(mailbox, TO, control, proxy, 63, true, ticket), readNeedProxy),
    { control, proxy, worker: 63, notices: true, ticket },
  );
});

Deno.test("what is told of a ctl_conn arrives", () => {
  assertEquals(
    through((mailbox) => sendClientUp(mailbox, TO, control, 3, 256), readClientUp),
    { control, grant: 3, workers: 256 },
  );
  assertEquals(
    through((mailbox) => sendServerUp(mailbox, TO, 2, 65_535), readServerUp),
    { address: 2, proxyPort: 65_535 },
  );
  assertEquals(
    through(
      (mailbox) =>
        sendTunnelPort(mailbox, TO, {
          tunnel,
          port: 65535,
          here: true,
          onThisHost: true,
          bound: [0, 0, -1, 2 ** 31 - 1],
        }),
      readTunnelPort,
    ),
    { tunnel, port: 65535, here: true, onThisHost: true, bound: [0, 0, -1, 2 ** 31 - 1] },
  );
  assertEquals(through((mailbox) => sendControlLost(mailbox, TO, control), readControlLost), control);
});

Deno.test("what is told of a public port arrives", () => {
  const tunnelId = LARGEST;
  const listen = { tunnelId, control, tunnel, row, grant: 3, port: 65_535 };
  assertEquals(through((mailbox) => sendListen(mailbox, TO, listen), readListen), listen);
  for (const denies of [true, false]) {
    const range: ListenRangeRecord = { tunnelId, denies, bits: 128, ip: ticket };
    assertEquals(through((mailbox) => sendListenRange(mailbox, TO, range), readListenRange), range);
  }
  assertEquals(through((mailbox) => sendUnlisten(mailbox, TO, tunnelId), readUnlisten), tunnelId);
  assertEquals(through((mailbox) => sendUnlistened(mailbox, TO, tunnelId), readUnlisten), tunnelId);
  const listening = { tunnelId, port: 65_535, code: 98 };
  assertEquals(through((mailbox) => sendListening(mailbox, TO, tunnelId, 65_535, 98), readListening), listening);
});
