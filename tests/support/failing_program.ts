// A program of two Workers, one of which fails: "at start", "later", or because its module "is missing".

import { openErrorOutput } from "../../ffi/error_output.ts";
import { startLogging } from "../../core/logging/logging.ts";
import { RelayCounters } from "../../core/relay/counters.ts";
import { Program } from "../../core/supervisor/program.ts";

startLogging({ level: "info", format: "text", program: "failing", write: openErrorOutput() });
const module = new URL("./failing_worker.ts", import.meta.url);
const when = Deno.args[0];
const program = new Program({
  name: "failing",
  logLevel: "info",
  drainTimeoutMs: 1000,
  relays: [],
  counters: new RelayCounters(1, 1),
  workers: [
    { name: "healthy", module, config: "never", hears: [] },
    {
      name: "failing",
      module: when === "is missing" ? new URL("./no_worker.ts", module) : module,
      config: when,
      hears: [],
    },
  ],
});
await program.ready();
console.log("Ready");
