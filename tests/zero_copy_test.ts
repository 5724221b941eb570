// Payload never enters user space: what system calls both programs make while they carry 1 GiB.

import { assert, assertEquals } from "./support/assert.ts";
import { soon } from "./support/conns.ts";
import { payloadSha256 } from "./support/payload.ts";
import { byteCalls, traced } from "./support/system_calls.ts";
import { ignoreWithout } from "./support/tools.ts";
import { downloadFrom, startTransferService, uploadTo } from "./support/transfers.ts";
import { FROM_SOURCE, Tunnels } from "./support/tunnels.ts";

const BYTES = 512 * 1024 * 1024;
/** What a read or write of a relay Worker may carry: frames and wake-ups have tens of bytes. */
const MOST_AT_ONCE = 4096;
/** What reads and writes of a whole program may carry: also notices, heartbeats and log lines. */
const MOST_IN_ALL = 64 * 1024;

Deno.test({
  name: "1 GiB passes through both programs by splice alone: no read, recv, write or send carries payload",
  ignore: ignoreWithout("strace"),
  async fn() {
    await using stack = new AsyncDisposableStack();
    const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
    stack.defer(() => Deno.remove(folder, { recursive: true }));
    const logs = { server: `${folder}/server`, client: `${folder}/client` };
    const commands = {
      server: traced(FROM_SOURCE.server, logs.server),
      client: traced(FROM_SOURCE.client, logs.client),
    };
    const service = stack.use(startTransferService(BYTES));
    const tunnels = stack.use(
      await Tunnels.start(commands, { bulk: service.address }, ["--work_thread_nums=2"]),
    );
    const address = tunnels.public.get("bulk")!;
    const expected = [1, 2].map((seed) => payloadSha256(seed, BYTES));

    const from = Date.now();
    const transfers = Promise.all([uploadTo(address, 1, BYTES), downloadFrom(address, 2)]);
    assertEquals(await soon("both transfers", transfers, 180_000), expected);
    const to = Date.now();
    await tunnels.stop();

    for (const [program, log] of Object.entries(logs)) {
      const calls = [...byteCalls(await Deno.readTextFile(log), from, to)];
      const splices = calls.filter(({ call }) => call === "splice");
      const others = calls.filter(({ call }) => call !== "splice");
      const sum = (some: typeof calls) => some.reduce((total, { bytes }) => total + bytes, 0);
      // Each byte is spliced twice: into a pipe and out of it.
      assert(sum(splices) >= 2 * 2 * BYTES, `splice moved ${sum(splices)} bytes in the ${program}`);
      assert(sum(others) < MOST_IN_ALL, `Other calls of the ${program} moved ${sum(others)} bytes`);
      const relays = new Set(splices.map(({ thread }) => thread));
      const large = others.filter(({ thread, bytes }) => relays.has(thread) && bytes > MOST_AT_ONCE);
      assertEquals(large, [], `A relay Worker of the ${program} reads or writes much at once`);
    }
  },
});
