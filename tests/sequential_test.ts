// Short connections one after the other: they are carried by the same few ProxyConns again and again.

import { assert, assertEquals } from "./support/assert.ts";
import { countersOf } from "./support/inspection.ts";
import { startNginx } from "./support/nginx.ts";
import { ignoreWithout, runTool } from "./support/tools.ts";
import { FROM_SOURCE, Tunnels } from "./support/tunnels.ts";

const CONNECTIONS = 20_000;
/** The four idle ones of pool_count, and for each of two relay Workers some that a busy machine does not free in time. */
const HANDFUL = 24;

Deno.test({
  name: "20,000 short connections one after the other use a handful of ProxyConns",
  ignore: ignoreWithout("ab", "nginx"),
  async fn() {
    await using nginx = await startNginx();
    await using tunnels = await Tunnels.start(FROM_SOURCE, { web: nginx.address }, ["--work_thread_nums=2"]);
    const before = await countersOf(tunnels.server);
    const args = ["-q", "-s", "30", "-n", `${CONNECTIONS}`, "-c", "1", `http://${tunnels.public.get("web")}/`];
    const report = await runTool("ab", args, 120_000);
    const { sessionsOpened, proxyConnsOpened } = await countersOf(tunnels.server);
    assert(/^Complete requests: +20000$/m.test(report) && /^Failed requests: +0$/m.test(report), report);
    assertEquals(sessionsOpened - before.sessionsOpened, CONNECTIONS);
    assert(proxyConnsOpened <= HANDFUL, `${proxyConnsOpened} ProxyConns were opened`);
    await tunnels.stop();
  },
});
