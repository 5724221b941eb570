// What one token can write into the server's log, however often its clients log in: a bounded number of lines.

import { newInstance } from "../../core/protocol/auth.ts";
import { assert } from "../support/assert.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { newTunnelReq } from "../support/messages.ts";
import { startServer } from "../support/starts.ts";

const LOGINS = 400;

Deno.test("logging in again and again, with tunnels each time, writes so many lines a minute and not more", async () => {
  await using server = await startServer();
  for (let i = 0; i < LOGINS; i++) {
    using speaker = await CtlSpeaker.connect(server.ctlPort);
    await speaker.logIn(newInstance());
    await speaker.send(newTunnelReq(1, "x".repeat(128), 0));
    await speaker.next("NewTunnelRsp");
  }
  assert(server.program.lineCount > 500, "what there is room for is written");
  assert(server.program.lineCount < 1100, `${server.program.lineCount} lines for ${LOGINS} logins`);
});
