// One token floods the server with requests that it refuses, on many ctl_conns; the others do not notice.

import { newInstance } from "../../core/protocol/auth.ts";
import { assert } from "../support/assert.ts";
import { listenLocally, soon } from "../support/conns.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { Program } from "../support/program.ts";
import { startClient, startServer } from "../support/starts.ts";

const FLOODERS = 60;
const FLOOD_BYTES = 1_500_000;
/** Ms for a login that no machine, however busy, should need; what it does need is printed. */
const MOST_LOGIN_MS = 1000;

const CONFIG = `
heartbeat_interval: 1s
heartbeat_timeout: 4s
tokens:
  - name: flooder
    token: flooder-secret
    ports: 8000
    max_tunnels: 1
  - name: good
    token: good-secret
`;

Deno.test("a token that floods the server with refused requests delays no other login, and no client is taken for dead", async () => {
  const file = await Deno.makeTempFile({ suffix: ".yaml" });
  await Deno.writeTextFile(file, CONFIG);
  await Deno.chmod(file, 0o600);
  using service = listenLocally();
  try {
    await using server = await startServer([`--config=${file}`]);
    const { ctlPort, program } = server;
    await using client = startClient(
      ctlPort,
      [`--local_server=127.0.0.1:${service.addr.port}`, "--heartbeat_interval=1s"],
      { CPROXY_TOKEN: "good-secret" },
    );
    await client.line(/Tunnel is up/);
    const command = [Deno.execPath(), "run", "-A", "tests/support/control_flooder.ts"];
    const args = [String(ctlPort), "flooder-secret", String(FLOODERS), String(FLOOD_BYTES)];
    await using flooder = new Program("flooder", [...command, ...args]);
    await flooder.line(/logged in/, 30_000);
    let flooding = true;
    const end = flooder.line(/done/, 120_000).then(() => flooding = false);
    const times: number[] = [];
    while (flooding || times.length < 20) {
      const start = performance.now();
      using speaker = await CtlSpeaker.connect(ctlPort);
      await soon("a login beside the flood", speaker.logIn(newInstance(), "good-secret"));
      times.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await end;
    times.sort((a, b) => a - b);
    const [median, most] = [times[times.length >> 1], times[times.length - 1]].map((ms) => Math.round(ms));
    console.log(`${times.length} logins beside the flood: ${median} ms in the median, ${most} ms at most`);
    assert(most < MOST_LOGIN_MS, `A login took ${most} ms`);
    assert(!client.output.includes("Not connected"), client.output);
    assert(!/silent for/.test(program.output), "a client was taken for dead");
  } finally {
    await Deno.remove(file);
  }
});
