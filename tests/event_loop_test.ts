// The event loop: who hears of which events, in which order the work of a turn is done, and when descriptors are closed.

import { close, type Descriptor } from "../ffi/descriptor.ts";
import { Epoll } from "../ffi/epoll.ts";
import { SystemError } from "../ffi/errno.ts";
import { openEventfd, signalEventfd } from "../ffi/eventfd.ts";
import { type Channel, EventLoop, type Task } from "../core/reactor/event_loop.ts";
import { Timer } from "../core/reactor/timer_queue.ts";
import { assert, assertEquals, assertThrows } from "./support/assert.ts";
import { noise } from "./support/bytes.ts";
import { Program } from "./support/program.ts";
import { listenSomewhere, Peer, testOnStage } from "./support/stage.ts";

/** A channel that writes down its events. */
class Ear implements Channel {
  readonly fd: Descriptor;
  readonly heard: number[] = [];
  constructor(fd: Descriptor) {
    this.fd = fd;
  }
  onEvents(events: number): void {
    this.heard.push(events);
  }
  /** The bits of all events since the last question. */
  bits(): number {
    return this.heard.splice(0).reduce((all, events) => all | events, 0);
  }
}

function task(run: () => void): Task {
  return { queued: false, run };
}

testOnStage("a connection hears of what is ready already, and then of each edge once", (stage) => {
  const { fd, peer } = stage.connectUnwatched();
  peer.sendAll("before");
  const ear = new Ear(fd);
  stage.loop.addConnection(ear);
  stage.step();
  assertEquals(ear.bits(), Epoll.IN | Epoll.OUT);
  stage.step(3);
  assertEquals(ear.heard, [], "nothing is new, though nothing was read");
  peer.sendAll("more");
  stage.step();
  assertEquals(ear.bits() & Epoll.IN, Epoll.IN);
  peer.finish();
  stage.step();
  assertEquals(ear.bits() & Epoll.RDHUP, Epoll.RDHUP);
  stage.loop.close(ear);
});

testOnStage("a connection hears that there is room again after it found none", (stage) => {
  const { fd, peer } = stage.connectUnwatched(4096);
  const ear = new Ear(fd);
  stage.loop.addConnection(ear);
  const near = new Peer(fd);
  while (near.send(noise(1, 4096)) > 0);
  stage.step();
  ear.bits();
  stage.step(2);
  assertEquals(ear.heard, []);
  stage.until(() => (peer.read(), ear.bits() & Epoll.OUT) !== 0, "room to write");
  stage.loop.close(ear);
});

testOnStage("a reset is heard as an error", (stage) => {
  const { fd, peer } = stage.connectUnwatched();
  const ear = new Ear(fd);
  stage.loop.addConnection(ear);
  peer.reset();
  stage.step();
  const bits = Epoll.ERR | Epoll.HUP | Epoll.RDHUP;
  assertEquals(ear.bits() & bits, bits);
  stage.loop.close(ear);
});

testOnStage("a listener is heard as long as someone waits, and not while it is disabled", (stage) => {
  const { fd, address } = listenSomewhere();
  const ear = new Ear(fd);
  stage.loop.addListener(ear);
  stage.step();
  assertEquals(ear.heard, []);
  stage.caller(address);
  stage.step(2);
  assertEquals(ear.heard.splice(0), [Epoll.IN, Epoll.IN]);
  stage.loop.enableListener(ear, false);
  stage.step(2);
  assertEquals(ear.heard, []);
  stage.loop.enableListener(ear, true);
  stage.step();
  assertEquals(ear.heard, [Epoll.IN]);
  stage.loop.close(ear);
});

testOnStage("an event of a closed descriptor never reaches the one that got its number", (stage) => {
  const { loop } = stage;
  const [one, other] = [openEventfd(), openEventfd()];
  const newcomers: Ear[] = [];
  /** Whichever hears first ends the other one, whose event of the same turn is still to be told. */
  const rival = (fd: Descriptor, target: () => Channel): Channel => ({
    fd,
    onEvents() {
      if (newcomers.length > 0) throw new Error("The event came to a channel that was removed");
      const { fd } = target();
      loop.remove(target());
      close(fd);
      const newcomer = new Ear(openEventfd());
      assertEquals(newcomer.fd, fd, "the kernel gives the lowest free number");
      loop.addConnection(newcomer);
      newcomers.push(newcomer);
    },
  });
  const rivals: Channel[] = [rival(one, () => rivals[1]), rival(other, () => rivals[0])];
  for (const channel of rivals) loop.addConnection(channel);
  for (const { fd } of rivals) signalEventfd(fd);
  stage.step();
  assertEquals(newcomers.map(({ heard }) => heard.length), [0]);
  loop.remove(rivals.find(({ fd }) => fd !== newcomers[0].fd)!);
  stage.step();
  assertEquals(newcomers[0].bits(), Epoll.OUT, "its own event, and not the other's");
  for (const fd of [one, other]) close(fd);
});

testOnStage("a closed channel hears nothing more, not even in the same turn", (stage) => {
  const { loop } = stage;
  const heard: number[] = [];
  const channels: Channel[] = [0, 1].map((i) => ({
    fd: openEventfd(),
    onEvents() {
      heard.push(i);
      for (const channel of channels) loop.close(channel);
    },
  }));
  for (const channel of channels) loop.addConnection(channel);
  stage.step(2);
  assertEquals(heard.length, 1);
});

testOnStage("a descriptor is closed at the end of the turn, not before", (stage) => {
  const ear = new Ear(openEventfd());
  stage.loop.addConnection(ear);
  const isOpen = () => {
    try {
      return Deno.readLinkSync(`/proc/self/fd/${ear.fd}`) === "anon_inode:[eventfd]";
    } catch {
      return false;
    }
  };
  const seen: boolean[] = [];
  stage.loop.enqueue(task(() => stage.loop.close(ear)));
  stage.loop.enqueue(task(() => seen.push(isOpen())));
  stage.loop.enqueueLast(task(() => seen.push(isOpen())));
  stage.step();
  assertEquals([seen, isOpen()], [[true, true], false]);
});

testOnStage("a removed channel keeps its descriptor, which another loop can watch", (stage) => {
  const ear = new Ear(openEventfd());
  stage.loop.addConnection(ear);
  stage.loop.remove(ear);
  stage.loop.remove(ear);
  const other = new EventLoop();
  const heir = new Ear(ear.fd);
  other.addConnection(heir);
  signalEventfd(ear.fd);
  other.turn();
  stage.step();
  assertEquals([heir.bits(), ear.bits()], [Epoll.IN | Epoll.OUT, 0]);
  other.close(heir);
  other.dispose();
});

testOnStage("a descriptor that cannot be watched is an error that says so", (stage) => {
  const fd = openEventfd();
  close(fd);
  const error = assertThrows(() => stage.loop.addConnection(new Ear(fd)), SystemError);
  assertEquals(error.message, `Cannot epoll_ctl: EBADF while watching descriptor ${fd}`);
});

testOnStage("a task queued several times runs once, and can then be queued again", (stage) => {
  let runs = 0;
  const count = task(() => runs++);
  for (let i = 0; i < 3; i++) stage.loop.enqueue(count);
  stage.step(2);
  assertEquals(runs, 1);
  stage.loop.enqueue(count);
  stage.step();
  assertEquals(runs, 2);
});

testOnStage("what a task queues runs in the next turn, after new events were heard", (stage) => {
  const log: string[] = [];
  const fd = openEventfd();
  const channel: Channel = { fd, onEvents: () => log.push("event") };
  stage.loop.addConnection(channel);
  stage.step();
  log.length = 0;
  const busy = task(() => {
    log.push("task");
    if (log.length < 4) stage.loop.enqueue(busy);
    signalEventfd(fd);
  });
  stage.loop.enqueue(busy);
  stage.step(4);
  assertEquals(log, ["task", "event", "task", "event", "task", "event"].slice(0, log.length));
  assertEquals(log.length, 6);
  stage.loop.close(channel);
});

testOnStage("a turn tells events, delivers mail, runs tasks, then timers, and flushes last", (stage) => {
  const { loop } = stage;
  const log: string[] = [];
  const note = (what: string) => () => void log.push(what);
  const fd = openEventfd();
  const channel: Channel = { fd, onEvents: note("event") };
  loop.addConnection(channel);
  loop.setMail({
    isBehind: false,
    mayAwaitMail: () => (log.push("look for mail"), false),
    awake: note("awake"),
    deliver: note("mail"),
  });
  loop.setTimer(new Timer({ onTimer: note("timer") }), 0);
  loop.turn();
  assertEquals(log.splice(0), ["look for mail", "awake", "event", "mail", "timer"]);
  signalEventfd(fd);
  loop.setTimer(new Timer({ onTimer: note("timer") }), 0);
  const flush = task(note("flush"));
  loop.enqueueLast(task(() => {
    note("first flush")();
    loop.enqueueLast(flush);
  }));
  loop.enqueue(task(() => {
    note("task")();
    loop.enqueueLast(flush);
  }));
  loop.turn();
  assertEquals(log, ["awake", "event", "mail", "task", "timer", "first flush", "flush"]);
  loop.close(channel);
});

testOnStage("a loop with work to do does not sleep", (stage) => {
  const { loop } = stage;
  loop.setMail({
    isBehind: false,
    mayAwaitMail: () => {
      throw new Error("The loop was about to sleep");
    },
    awake() {},
    deliver() {},
  });
  let runs = 0;
  loop.enqueueLast(task(() => runs++));
  loop.turn();
  loop.enqueue(task(() => runs++));
  loop.turn();
  assertEquals(runs, 2);
});

testOnStage("a task is held back while other Workers are behind, and runs when they have caught up", (stage) => {
  const { loop } = stage;
  const log: string[] = [];
  let asleep = false;
  const mail = { isBehind: false, mayAwaitMail: () => (asleep = true), awake() {}, deliver() {} };
  loop.setMail(mail);
  const held = task(() => {
    if (!loop.holdBack(held)) log.push("ran");
  });
  loop.enqueue(held);
  mail.isBehind = true;
  loop.turn();
  // again is nothing, and nor is an event of its socket
  assertEquals([loop.holdBack(held), log], [true, []]);
  loop.enqueue(held);
  const fd = openEventfd();
  const channel: Channel = { fd, onEvents() {} };
  loop.addConnection(channel);
  signalEventfd(fd);
  loop.turn();
  assertEquals([log, asleep], [[], true]);
  mail.isBehind = false;
  asleep = false;
  loop.turn();
  assertEquals(log, ["ran"]);
  loop.enqueue(held);
  loop.turn();
  assertEquals(log, ["ran", "ran"]);
  // what made room may have been found only when the loop was about to sleep
  mail.isBehind = true;
  loop.holdBack(held);
  mail.mayAwaitMail = () => {
    mail.isBehind = false;
    return true;
  };
  const before = performance.now();
  loop.turn();
  assertEquals(log.length, 3);
  assert(performance.now() - before < 4000, "The loop did not sleep");
  loop.close(channel);
});

testOnStage("after a stall what has arrived is read before a timer judges", (stage) => {
  const { loop } = stage;
  const channels = Array.from({ length: 2000 }, () => {
    const timer = new Timer({ onTimer: () => missed++ });
    const answer = task(() => loop.timers.clear(timer));
    const channel = { fd: openEventfd(), timer, onEvents: () => loop.enqueue(answer) };
    loop.addConnection(channel);
    return channel;
  });
  let missed = 0;
  stage.step(8);
  for (const { timer } of channels) loop.setTimer(timer, 1000);
  for (const { fd } of channels) signalEventfd(fd);
  stage.advance(2000);
  stage.until(() => channels.every(({ timer }) => !timer.isSet), "all answers are read");
  assertEquals(missed, 0);
  for (const channel of channels) loop.close(channel);
});

Deno.test("timers do not count the time for which a loop stood still", () => {
  let now = 0;
  const loop = new EventLoop(() => now, () => now);
  const due: number[] = [];
  const timer = new Timer({ onTimer: () => due.push(now) });
  loop.setTimer(timer, 1000);
  // a turn that takes long, as when the process is stopped in the middle of it
  loop.enqueue(task(() => now += 5000));
  loop.turn();
  const stay = task(() => loop.enqueue(stay));
  loop.enqueue(stay);
  for (; due.length === 0; now += 100) loop.turn();
  assertEquals(due, [6000]);
  loop.dispose();
});

testOnStage("a loop that always finds more events runs its timers all the same", (stage) => {
  const { loop } = stage;
  const fds = Array.from({ length: 600 }, () => openEventfd());
  const channels = fds.map((fd): Channel => ({ fd, onEvents: () => signalEventfd(fd) }));
  for (const channel of channels) loop.addConnection(channel);
  let due = false;
  loop.setTimer(new Timer({ onTimer: () => due = true }), 0);
  stage.step(40);
  assert(due);
  for (const channel of channels) loop.close(channel);
});

testOnStage("a loop sleeps until its first timer is due", (stage) => {
  const { loop } = stage;
  const due: number[] = [];
  const start = loop.now;
  loop.setTimer(new Timer({ onTimer: () => due.push(loop.now) }), 30);
  stage.until(() => due.length > 0, "the timer");
  assert(due[0] >= start + 30, "not before its time");
  assertEquals(loop.timers.size, 0);
});

Deno.test("a loop runs until it is stopped, and finishes its turn", () => {
  const loop = new EventLoop();
  let turns = 0;
  const count = task(() => {
    if (++turns === 10) loop.stop();
    loop.enqueue(count);
  });
  loop.enqueue(count);
  loop.run();
  loop.dispose();
  assertEquals(turns, 10);
});

Deno.test("a signal that interrupts the sleep of a loop does it no harm", async () => {
  const script = new URL("./support/sleeping_loop.ts", import.meta.url).pathname;
  await using program = new Program("loop", [Deno.execPath(), "run", "--allow-all", "--no-lock", script]);
  await program.line(/^asleep$/);
  let ended = false;
  const end = program.line(/^turned 3 times$/).finally(() => ended = true);
  // stopping and continuing makes epoll_wait say EINTR; there is no event for "it sleeps again"
  while (!ended) {
    program.kill("SIGSTOP");
    program.kill("SIGCONT");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  await end;
});
