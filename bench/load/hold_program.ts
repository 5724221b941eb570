// Opens connections, has each pass one byte there and back, and then holds them idle, in a process of its own.
// Arguments: port, number. It writes a line when all are held and one whenever some are lost; it runs until it is ended.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { Epoll, Poller } from "../../ffi/epoll.ts";
import { checked, Errno } from "../../ffi/errno.ts";
import { connect, openSocket, receive, send } from "../../ffi/socket.ts";
import { internetAddress } from "../../ffi/socket_address.ts";

/** How many are being opened at a time: fewer than any listener's backlog. */
const OPENING = 100;
/** The longest silence while they are being opened. */
const SILENCE_MS = 10_000;

const [port, number] = Deno.args.map(Number);
const address = internetAddress("127.0.0.1", port)!;
const poller = new Poller();
const byte = new Uint8Array([1]);
const room = new Uint8Array(1);
const held = new Set<number>();
let opening = 0;
let opened = 0;

function open(): void {
  const fd = checked(openSocket(address.family), "socket", `opening connection ${opened + 1}`) as Descriptor;
  const result = connect(fd, address);
  if (result !== 0 && result !== -Errno.EINPROGRESS) checked(result, "connect", `opening connection ${opened + 1}`);
  poller.add(fd, Epoll.OUT, 0);
  opening++;
  opened++;
}

/** Connected: sends its byte. Answered: it is held. Anything else: it is lost. */
function advance(fd: Descriptor, events: number): void {
  if (held.has(fd)) {
    held.delete(fd);
    close(fd);
    return;
  }
  if ((events & Epoll.OUT) !== 0 && (events & Epoll.ERR) === 0) {
    checked(send(fd, byte), "send", "greeting through a new connection");
    poller.modify(fd, Epoll.IN | Epoll.RDHUP, 0);
    return;
  }
  const count = receive(fd, room);
  if (count !== 1) {
    throw new Error(`Connection ${held.size + 1} of ${number} broke before its first byte came back: ${count}`);
  }
  opening--;
  held.add(fd);
}

/** Waits for events and handles them; whether there were any. */
function turn(timeoutMs: number): boolean {
  const count = poller.wait(timeoutMs);
  for (let i = 0; i < count; i++) advance(poller.fdAt(i) as Descriptor, poller.eventsAt(i));
  return count > 0;
}

while (held.size < number) {
  while (opening < OPENING && opened < number) open();
  if (!turn(SILENCE_MS)) {
    throw new Error(`Only ${held.size} of ${number} connections came up: silence for ${SILENCE_MS} ms`);
  }
}
console.log(`Holding ${held.size}`);
for (;;) {
  turn(-1);
  if (held.size < number) console.log(`Lost ${number - held.size}`);
}
