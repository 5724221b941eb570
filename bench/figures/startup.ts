// How long it takes from nothing to the first byte there and back.

import { startAndSee } from "../lineup.ts";
import type { FigureOf } from "./figure.ts";

/** Start-up. */
export const startup: FigureOf = () => ({
  name: "startup",
  title: "Start-up time until the first byte is relayed",
  method:
    "from starting the first process until a byte has come back through the tunnel, tried every 2 ms; a client that " +
    "does not wait for its server is started when that listens; the programs' files are in the page cache",
  cases: [{
    id: "startup",
    metrics: [{ id: "startup", title: "start to first byte", unit: "ms", better: "less" }],
    tunnelsOnly: true,
    fresh: true,
    async measure({ contender, services }) {
      const start = performance.now();
      await using _running = await startAndSee(contender, services);
      return { startup: performance.now() - start };
    },
  }],
});
