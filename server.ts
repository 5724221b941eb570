// CProxyServer: reads the command line, and starts the server.
import { loadServerConfig } from "./core/config/server_config.ts";
import { runServer } from "./core/server/supervisor.ts";
import { main } from "./core/supervisor/program.ts";

await main("cproxy-server", loadServerConfig, runServer);
