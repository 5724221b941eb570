// What Workers say to each other: order, full rings, and waking only those who sleep.

import { Poller } from "../ffi/epoll.ts";
import { Mailbox } from "../core/reactor/mailbox.ts";
import { Phase } from "../core/reactor/shared_state.ts";
import { assert, assertEquals } from "./support/assert.ts";
import { testDescriptors, withWorkers } from "./support/descriptors.ts";
import { type Player, playPingPong, type Score } from "./support/ping_pong.ts";
import { Post } from "./support/post.ts";

/** Registers a test between some Workers, which must leave no descriptor behind. */
function testPost(name: string, workers: number, capacity: number, body: (post: Post) => void): void {
  testDescriptors(name, () => {
    const post = new Post(workers, capacity);
    try {
      body(post);
    } finally {
      post.dispose();
    }
  });
}

/** As testPost, with other threads. */
function testPostOfThreads(
  name: string,
  workers: number,
  capacity: number,
  body: (post: Post) => Promise<void>,
): void {
  Deno.test(name, () =>
    withWorkers(async () => {
      const post = new Post(workers, capacity);
      try {
        await body(post);
      } finally {
        post.dispose();
      }
    }));
}

testPost("a record comes with all its words", 2, 4, (post) => {
  const from = post.open(0).mailbox;
  const to = new Mailbox(post.wirings[1]);
  const seen: number[][] = [];
  to.setHandler({
    onRecord: (_from, words, at) => seen.push([...words.subarray(at, at + 9)]),
    onMessage() {},
    onPhase() {},
  });
  from.send(1, 1, 2, 3, 4, 5, 6, 7, 8, -9);
  from.send(1, 7);
  to.deliver();
  assertEquals(seen, [[1, 2, 3, 4, 5, 6, 7, 8, -9], [7, 0, 0, 0, 0, 0, 0, 0, 0]]);
});

testPost("what finds the ring full is kept, and arrives in order", 2, 4, (post) => {
  const from = post.open(0).mailbox;
  const { mailbox: to, got } = post.open(1);
  const numbers = Array.from({ length: 100 }, (_, i) => i);
  for (const number of numbers) from.send(1, number);
  for (let i = 0; i < 40 && got.length < 100; i++) {
    to.deliver();
    // a new one may not overtake those that wait
    if (i === 2) from.send(1, 100);
    from.deliver();
  }
  to.deliver();
  assertEquals(got, [...numbers, 100].map((number) => [0, number]));
});

testPost(
  "a Worker that has sent more than a ring and a few bursts hold is behind, until that is taken",
  2,
  4,
  (post) => {
    const from = post.open(0).mailbox;
    const { mailbox: to, got } = post.open(1);
    for (let i = 0; i < 4 + 4096; i++) from.send(1, i);
    assert(!from.isBehind);
    from.send(1, 0);
    assert(from.isBehind);
    to.deliver();
    from.deliver();
    assert(!from.isBehind);
    while (got.length < 4 + 4097) {
      to.deliver();
      from.deliver();
    }
  },
);

testPost(
  "a Worker that has posted more than the supervisor has dealt with is behind, and is woken afterwards",
  1,
  4,
  (post) => {
    const { mailbox } = post.open(0);
    for (let i = 0; i < 4096; i++) mailbox.countPost();
    assert(!mailbox.isBehind);
    mailbox.countPost();
    assert(mailbox.isBehind);
    const poller = new Poller();
    assert(mailbox.mayAwaitMail());
    assert(!post.woken(poller, 0));
    for (let i = 0; i < 1023; i++) post.state.countPostHeard(0);
    assert(!mailbox.isBehind && !post.woken(poller, 0));
    post.state.countPostHeard(0);
    assert(post.woken(poller, 0));
    poller.close();
  },
);

testPost("a producer that is about to sleep looks again whether the consumer has made room", 2, 4, (post) => {
  const { mailbox: from } = post.open(0);
  const { mailbox: to, got } = post.open(1);
  for (let i = 0; i < 5; i++) from.send(1, i);
  // the consumer wakes the producer, which does not sleep yet: that wake-up has no effect
  to.deliver();
  assertEquals(got.length, 4);
  assert(from.mayAwaitMail());
  to.deliver();
  assertEquals(got.length, 5);
});

testPost(
  "a record that waits for one Worker holds back later ones for others, which they may have caused",
  3,
  2,
  (post) => {
    const from = post.open(0).mailbox;
    const { mailbox: first, got: firstGot } = post.open(1);
    const { mailbox: second, got: secondGot } = post.open(2);
    for (let i = 0; i < 3; i++) from.send(1, i);
    // the second Worker would tell the first about this one
    from.send(2, 42);
    second.deliver();
    assertEquals(secondGot, []);
    first.deliver();
    from.deliver();
    second.deliver();
    first.deliver();
    assertEquals([firstGot.length, secondGot], [3, [[0, 42]]]);
  },
);

testPost("an effect in a later ring is never handled before its cause in an earlier one", 3, 8, (post) => {
  const [first, second] = [post.open(0).mailbox, post.open(1).mailbox];
  const to = new Mailbox(post.wirings[2]);
  const got: string[] = [];
  to.setHandler({
    onRecord(from, words, at) {
      got.push(`${from}:${words[at]}`);
      if (words[at] !== 1) return;
      // both come while mail is being handled: the cause too late for the ring that is being drained
      first.send(2, 2);
      second.send(2, 3);
    },
    onMessage() {},
    onPhase() {},
  });
  first.send(2, 1);
  to.deliver();
  to.deliver();
  assertEquals(got, ["0:1", "0:2", "1:3"]);
});

testPostOfThreads("nor when another thread writes both rings meanwhile", 3, 64, async (post) => {
  const count = 50_000;
  const [causes, effects] = post.wirings[2].inbound.map(({ ring }) => ring);
  const to = new Mailbox(post.wirings[2]);
  const last = [0, 0];
  let wrong = 0;
  to.setHandler({
    onRecord(from, words, at) {
      if (words[at] !== ++last[from]) wrong++;
      if (from === 1 && last[0] < last[1]) wrong++;
    },
    onMessage() {},
    onPhase() {},
  });
  const worker = new Worker(new URL("./support/cause_and_effect.ts", import.meta.url), { type: "module" });
  const done = new Promise<void>((resolve) => worker.onmessage = () => resolve());
  worker.postMessage({ causes, effects, count });
  const deadline = performance.now() + 20_000;
  while (last[1] < count && performance.now() < deadline) to.deliver();
  await done;
  assertEquals([last, wrong], [[count, count], 0]);
});

testPost("messages come before records, and a new phase after both", 2, 8, (post) => {
  const from = post.open(0).mailbox;
  const { mailbox: to, got } = post.open(1);
  from.send(1, 1);
  post.state.enterPhase(Phase.DRAIN);
  post.message(1, "first");
  post.message(1, "second");
  from.send(1, 2);
  to.deliver();
  assertEquals(got, ["first", "second", [0, 1], [0, 2], { phase: Phase.DRAIN }]);
  to.deliver();
  assertEquals(got.length, 5);
});

testPost("phases only go forward", 1, 2, (post) => {
  post.state.enterPhase(Phase.STOP);
  post.state.enterPhase(Phase.DRAIN);
  assertEquals(post.state.phase, Phase.STOP);
});

testPost("a Worker with mail of any kind does not go to sleep", 2, 4, (post) => {
  const from = post.open(0).mailbox;
  const { mailbox: to } = post.open(1);
  const causes: (() => void)[] = [
    () => from.send(1, 1),
    () => post.message(1, "message"),
    () => post.state.enterPhase(Phase.DRAIN),
  ];
  for (const cause of causes) {
    assert(to.mayAwaitMail());
    to.awake();
    cause();
    assert(!to.mayAwaitMail());
    to.awake();
    to.deliver();
  }
  assert(to.mayAwaitMail());
});

testPost("only a Worker that sleeps is woken, and once for many records", 2, 8, (post) => {
  const from = post.open(0).mailbox;
  const to = post.open(1).mailbox;
  const poller = new Poller();
  try {
    assert(!post.woken(poller, 1));
    from.send(1, 1);
    assert(!post.woken(poller, 1), "it was awake");
    to.deliver();
    assert(to.mayAwaitMail());
    from.send(1, 2);
    assert(post.woken(poller, 1));
    from.send(1, 3);
    assert(!post.woken(poller, 1), "it has been woken already");
    to.awake();
    to.deliver();
    assert(to.mayAwaitMail());
    post.message(1, "message");
    assert(post.woken(poller, 1));
  } finally {
    poller.close();
  }
});

for (const [volley, count, capacity] of [[1, 50_000, 64], [13, 39_000, 4]]) {
  testPostOfThreads(
    `of ${2 * count} records between two Workers, ${volley} at a time, none is lost and nobody oversleeps`,
    2,
    capacity,
    async (post) => {
      const player = { wirings: post.wirings, volley, count };
      const worker = new Worker(new URL("./support/ping_pong_worker.ts", import.meta.url), { type: "module" });
      const here = Promise.withResolvers<void>();
      const theirs = new Promise<Score>((resolve, reject) => {
        worker.onmessage = ({ data }) => data === "here" ? here.resolve() : resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
      });
      const side = (number: number): Player => ({
        wiring: player.wirings[number],
        serves: number === 0,
        volley,
        count,
      });
      await here.promise;
      worker.postMessage(side(1));
      const ours = playPingPong(side(0));
      assertEquals(ours, { received: count, misplaced: 0, overslept: 0 });
      assertEquals(await theirs, { received: count + 1, misplaced: 0, overslept: 0 });
    },
  );
}
