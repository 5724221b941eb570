// frp: frps and frpc, with TLS off.

import { freePorts } from "../../tests/support/program.ts";
import { BACKENDS, type Contender } from "./contender.ts";
import { Installed } from "./installed.ts";
import { Processes, publicPorts } from "./processes.ts";

const [server, client] = [new Installed("frps"), new Installed("frpc")];

/** frp. */
export const frp: Contender = {
  name: "frp",
  setup: "transport.tls.enable=false, no encryption or compression, transport.poolCount=5, tcpMux on (its default)",
  missing: () => server.missing() ?? client.missing(),
  version: () => server.version("--version"),
  async start(services) {
    await using processes = new Processes();
    const ports = publicPorts();
    const [control] = freePorts(1);
    const head = `log.level = "error"\nauth.token = "bench"\n`;
    const serverConfig = await processes.file(
      ".toml",
      `${head}bindAddr = "127.0.0.1"\nproxyBindAddr = "127.0.0.1"\nbindPort = ${control}\n`,
    );
    const proxies = BACKENDS.map((backend) =>
      `[[proxies]]\nname = "${backend}"\ntype = "tcp"\nlocalIP = "127.0.0.1"\n` +
      `localPort = ${services[backend]}\nremotePort = ${ports[backend]}\n`
    );
    const clientConfig = await processes.file(
      ".toml",
      `${head}serverAddr = "127.0.0.1"\nserverPort = ${control}\n` +
        `transport.tls.enable = false\ntransport.poolCount = 5\n${proxies.join("")}`,
    );
    await processes.start("server", [server.path, "-c", serverConfig]).listening(control);
    processes.start("client", [client.path, "-c", clientConfig]);
    return processes.running(ports);
  },
};
