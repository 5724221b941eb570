// A program whose loop has nothing to do: it sleeps three times, until something wakes it, and then ends.

import { EventLoop } from "../../core/reactor/event_loop.ts";

const loop = new EventLoop();
console.log("asleep");
for (let i = 0; i < 3; i++) loop.turn();
loop.dispose();
console.log("turned 3 times");
