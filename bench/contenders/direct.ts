// No tunnel at all: what the machine and the measuring programs can do.

import type { Contender } from "./contender.ts";

/** The services themselves. */
export const direct: Contender = {
  name: "direct",
  setup: "no tunnel: the measuring programs reach the services themselves",
  missing: () => null,
  version: () => Promise.resolve("-"),
  start: (services) =>
    Promise.resolve({
      programs: [],
      ports: services,
      output: () => "",
      [Symbol.asyncDispose]: () => Promise.resolve(),
    }),
};
