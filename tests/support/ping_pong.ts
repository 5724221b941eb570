// Two Workers that answer each other's records, each in a loop that sleeps whenever it may; and what it means that one
// of them slept on. It knows no record's meaning.

import { EventLoop } from "../../core/reactor/event_loop.ts";
import { Mailbox, type Wiring } from "../../core/reactor/mailbox.ts";

/** Ms after which a game is given up. */
const PATIENCE_MS = 30_000;

/** One side of the game. */
export interface Player {
  /** Its part of the wiring; the other player is the other number of 0 and 1. */
  readonly wiring: Wiring;
  /** The player serves first. */
  readonly serves: boolean;
  /** How many records fly together. */
  readonly volley: number;
  /** How many records each of the two sends: so many times a volley. */
  readonly count: number;
}

/** How it went. */
export interface Score {
  /** Records that came. */
  readonly received: number;
  /** Records that came out of order. */
  readonly misplaced: number;
  /** Sleeps that nobody ended: with a lost wake-up the loop turns again only because it never sleeps for ever. */
  readonly overslept: number;
}

/** Plays until all records have come. Blocks. */
export function playPingPong({ wiring, serves, volley, count }: Player): Score {
  const other = 1 - wiring.worker;
  const loop = new EventLoop();
  const mailbox = new Mailbox(wiring);
  let [sent, received, misplaced, overslept] = [0, 0, 0, 0];
  let [slept, woken] = [false, false];
  const serve = () => {
    for (let i = 0; i < volley && sent < count; i++) mailbox.send(other, ++sent);
  };
  mailbox.setHandler({
    onRecord(_from, words, at) {
      received++;
      if (words[at] !== received) misplaced++;
      if (received % volley === 0) serve();
    },
    onMessage() {},
    onPhase() {},
  });
  loop.addConnection({ fd: mailbox.fd, onEvents: () => woken = true });
  loop.setMail({
    isBehind: false,
    mayAwaitMail: () => slept = mailbox.mayAwaitMail(),
    awake: () => mailbox.awake(),
    deliver() {
      if (slept && !woken) overslept++;
      slept = woken = false;
      mailbox.deliver();
    },
  });
  if (serves) serve();
  // one more record tells the one who returns that everything has arrived
  const last = serves ? count : count + 1;
  const deadline = performance.now() + PATIENCE_MS;
  while (received < last && performance.now() < deadline) loop.turn();
  if (serves) mailbox.send(other, count + 1);
  loop.dispose();
  return { received, misplaced, overslept };
}
