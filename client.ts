// CProxyClient: reads the command line, and starts the client.
import { loadClientConfig } from "./core/config/client_config.ts";
import { runClient } from "./core/client/supervisor.ts";
import { main } from "./core/supervisor/program.ts";

await main("cproxy-client", loadClientConfig, runClient);
