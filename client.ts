// CProxyClient: reads the command line, and starts the client.
import { ConfigError } from "./core/config/config_error.ts";
import { loadClientConfig } from "./core/config/client_config.ts";
import { startLogging } from "./core/logging/logging.ts";
import { runClient } from "./core/client/supervisor.ts";
import { main } from "./core/supervisor/program.ts";

await main(
  () => loadClientConfig(Deno.args, Deno.env, Deno.readTextFileSync),
  (error) => error instanceof ConfigError,
  (config) => {
    startLogging({ level: config.logLevel, format: config.logFormat, program: "cproxy-client" });
    return runClient(config);
  },
);
