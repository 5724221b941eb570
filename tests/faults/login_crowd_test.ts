// Clients with the right token behind an address from which others guess, or begin logins that they do not end.

import { newInstance, newNonce } from "../../core/protocol/auth.ts";
import { PROTOCOL_VERSION } from "../../core/protocol/wire.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { soon } from "../support/conns.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { startServer } from "../support/starts.ts";

const LOGINS = 6;
/** Ms for a login that nothing holds up, on a busy machine. */
const PROMPT_MS = 1500;

async function timedLogin(ctlPort: number): Promise<number> {
  const start = performance.now();
  using speaker = await CtlSpeaker.connect(ctlPort);
  await soon("the right token gets in", speaker.logIn(newInstance(), "secret"), 10_000);
  return performance.now() - start;
}

Deno.test("the right token gets in at once from an address with wrong ones and 300 begun logins a second", async () => {
  await using server = await startServer(["--max_unauthenticated_per_address=64"], { CPROXY_TOKEN: "secret" });
  const { ctlPort } = server;
  const speakers: CtlSpeaker[] = [];
  const pending = new Set<Promise<unknown>>();
  const note = (promise: Promise<unknown>) => {
    const done = promise.catch(() => {}).finally(() => pending.delete(done));
    pending.add(done);
  };
  const connect = async () => {
    const speaker = await CtlSpeaker.connect(ctlPort);
    speakers.push(speaker);
    return speaker;
  };
  for (let i = 0; i < 9; i++) note((await connect()).logIn(newInstance(), "wrong"));
  const begin = async () => {
    const speaker = await connect();
    const [version, nonce, instance] = [PROTOCOL_VERSION, newNonce(), newInstance()];
    await speaker.send({ type: "NewCtlReq", version, nonce, instance, program: "test", workers: 1 });
    await speaker.ignore();
  };
  const crowd = setInterval(() => {
    for (let i = 0; i < 3; i++) note(begin());
  }, 10);
  try {
    const times: number[] = [];
    for (let i = 0; i < LOGINS; i++) {
      times.push(await timedLogin(ctlPort));
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
    const most = Math.max(...times);
    console.log(`${LOGINS} logins of the right token took ${Math.round(most)} ms at most`);
    assertEquals(times.length, LOGINS);
    assert(most < PROMPT_MS, `A login took ${most} ms`);
  } finally {
    clearInterval(crowd);
    for (const speaker of speakers) speaker.close();
    await Promise.all(pending);
  }
});
