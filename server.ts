// CProxyServer: reads the command line, and starts the server.
import { ConfigError } from "./core/config/config_error.ts";
import { loadServerConfig } from "./core/config/server_config.ts";
import { startLogging } from "./core/logging/logging.ts";
import { runServer } from "./core/server/supervisor.ts";
import { main } from "./core/supervisor/program.ts";

await main(
  () => loadServerConfig(Deno.args, Deno.env, Deno.readTextFileSync),
  (error) => error instanceof ConfigError,
  (config) => {
    startLogging({ level: config.logLevel, format: config.logFormat, program: "cproxy-server" });
    return runServer(config);
  },
);
