// A crowd at one tunnel, as fast as it can come, beside single visits of another tunnel of the same client.

import { assertEquals } from "../support/assert.ts";
import { acceptFrom, addressOf, connectTo, listenLocally, readExactly, soon, writeAll } from "../support/conns.ts";
import { startNginx } from "../support/nginx.ts";
import { publicAddress, startClient, startServer } from "../support/starts.ts";
import { ignoreWithout, runTool } from "../support/tools.ts";

const CROWD = 6000;
const VISITS = 50;
/** Ms between two of them. */
const PAUSE_MS = 20;

async function visitMs(address: string): Promise<number> {
  const begun = performance.now();
  const conn = await connectTo(address);
  assertEquals(await soon("the visit is served", readExactly(conn, 1)), new Uint8Array([7]));
  conn.close();
  return performance.now() - begun;
}

async function p90(address: string): Promise<number> {
  const times: number[] = [];
  for (let i = 0; i < VISITS; i++) {
    times.push(await visitMs(address));
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return times.sort((a, b) => a - b)[Math.floor(VISITS * 0.9)];
}

Deno.test({
  name: "a crowd at one tunnel delays no visit of another tunnel of the same client for long",
  ignore: ignoreWithout("ab", "nginx"),
  async fn() {
    await using stack = new AsyncDisposableStack();
    const nginx = stack.use(await startNginx());
    const listener = stack.adopt(listenLocally(), (listener) => listener.close());
    const served = (async () => {
      for (let i = 0; i < 2 * VISITS; i++) {
        const conn = await acceptFrom(listener);
        void writeAll(conn, new Uint8Array([7])).finally(() => conn.close());
      }
    })();
    const config = await Deno.makeTempFile({ suffix: ".yaml" });
    stack.defer(() => Deno.remove(config));
    const tunnels = [["busy", nginx.address], ["quiet", addressOf(listener)]];
    const lines = tunnels.map(([name, local]) => `- {name: ${name}, local_server: "${local}"}\n`);
    await Deno.writeTextFile(config, `tunnels:\n${lines.join("")}`);
    const server = stack.use(await startServer(["--pool_count=4"]));
    const client = stack.use(startClient(server.ctlPort, [`--config=${config}`]));
    const [busy, quiet] = await Promise.all(tunnels.map(([name]) => publicAddress(client, name)));
    const alone = await p90(quiet);
    const crowd = runTool("ab", ["-q", "-n", `${CROWD}`, "-c", "256", `http://${busy}/`], 120_000);
    const beside = await p90(quiet);
    const report = await crowd;
    await served;
    const rate = /^Requests per second: +([\d.]+)/m.exec(report)?.[1];
    console.log(
      `p90 of a visit: ${alone.toFixed(1)} ms alone, ${beside.toFixed(1)} ms beside ${rate} connections a second`,
    );
  },
});
