// Programs that are out of descriptors, or whose pipes the kernel makes tiny: whoever comes waits, whoever is there
// goes on.

import { close, type Descriptor } from "../../ffi/descriptor.ts";
import { libc } from "../../ffi/libc.ts";
import { getPipeCapacity, openPipe, setPipeCapacity } from "../../ffi/pipe.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  readToEnd,
  soon,
  writeAll,
  writePayload,
} from "../support/conns.ts";
import { withDescriptors, withoutPipePrivileges } from "../support/constrained.ts";
import { connectCrowd, Service } from "../support/crowd.ts";
import { cpuSecondsOf, holdingsAfterStart, idleAgain } from "../support/holdings.ts";
import { payloadSha256 } from "../support/payload.ts";
import type { Program } from "../support/program.ts";
import { ignoreWithout } from "../support/tools.ts";
import { downloadFrom, startTransferService, uploadTo } from "../support/transfers.ts";
import { FROM_SOURCE, Tunnels } from "../support/tunnels.ts";

const FLOOD = 400;
const BYTES = 20_000_000;
const SHORTAGE = /WARN .*(Cannot accept|Too few descriptors)/;

type Ends = [visitor: Deno.TcpConn, service: Deno.TcpConn];

async function session(address: string, listener: Deno.TcpListener): Promise<Ends> {
  return await soon("a session starts", Promise.all([connectTo(address), acceptFrom(listener)]));
}

/** A byte each way. */
async function exchange([visitor, service]: Ends): Promise<void> {
  await Promise.all([writeAll(visitor, new Uint8Array([1])), writeAll(service, new Uint8Array([2]))]);
  const read = await soon("a byte goes each way", Promise.all([readExactly(visitor, 1), readExactly(service, 1)]));
  assertEquals(read, [new Uint8Array([2]), new Uint8Array([1])]);
}

/** Seconds of processor time that both programs use in two seconds. */
async function load({ server, client }: Tunnels): Promise<number> {
  const used = () => cpuSecondsOf(server) + cpuSecondsOf(client);
  const before = used();
  await new Promise((resolve) => setTimeout(resolve, 2000));
  return used() - before;
}

function shortageLines(program: Program): number {
  return program.output.split("\n").filter((line) => SHORTAGE.test(line)).length;
}

for (const short of ["server", "client"] as const) {
  Deno.test(`a ${short} out of descriptors disturbs no session, does nothing in vain, and goes on when there are some`, async () => {
    await using stack = new AsyncDisposableStack();
    using service = new Service();
    const listener = stack.adopt(listenLocally(), (listener) => listener.close());
    const commands = { ...FROM_SOURCE, [short]: withDescriptors(256, FROM_SOURCE[short]) };
    const localServers = { crowd: service.address, bulk: addressOf(listener) };
    const tunnels = stack.use(await Tunnels.start(commands, localServers, ["--work_thread_nums=1"]));
    const crowd = tunnels.public.get("crowd")!;
    const bulk = tunnels.public.get("bulk")!;
    const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)] as const;

    // two streams that nobody reads yet hold whatever there is to hold, and one session stands still
    const streams = [await session(bulk, listener), await session(bulk, listener)];
    const still = await session(bulk, listener);
    const sent = streams.map(async ([visitor], seed) => {
      await writePayload(visitor, seed, BYTES);
      await visitor.closeWrite();
    });
    await exchange(still);

    const shortage = tunnels[short].nextLine(SHORTAGE);
    const visitors = await connectCrowd(crowd, FLOOD);
    await shortage;
    assertEquals(await soon("a stream passes", readToEnd(streams[0][1])), {
      bytes: BYTES,
      sha256: payloadSha256(0, BYTES),
    });
    await exchange(still);
    const used = await load(tunnels);
    assert(used < 0.2, `Both programs used ${used} s in two seconds of waiting`);

    for (const visitor of visitors) visitor.close();
    assertEquals(await soon("the other stream passes", readToEnd(streams[1][1])), {
      bytes: BYTES,
      sha256: payloadSha256(1, BYTES),
    });
    await exchange(still);
    await Promise.all(sent);
    for (const conn of [...streams, still].flat()) conn.close();
    const accepting = setInterval(() => {
      for (let peer = service.tryAccept(); peer !== null; peer = service.tryAccept()) peer.close();
    }, 10);
    stack.defer(() => clearInterval(accepting));
    const late = await session(bulk, listener);
    await exchange(late);
    for (const conn of late) conn.close();
    await idleAgain(tunnels.server, idle[0]);
    await idleAgain(tunnels.client, idle[1]);
    assertEquals(shortageLines(tunnels[short]), 1, "lines in a minute");
  });
}

for (const short of [["client"], ["server", "client"]] as const) {
  Deno.test(`with 128 descriptors in the ${short.join(" and the ")} each of 300 visitors at once is served, and again`, async () => {
    await using stack = new AsyncDisposableStack();
    const listener = stack.adopt(listenLocally(), (listener) => listener.close());
    const limited = short.map((name) => [name, withDescriptors(128, FROM_SOURCE[name])]);
    const commands = { ...FROM_SOURCE, ...Object.fromEntries(limited) };
    const tunnels = stack.use(await Tunnels.start(commands, { echo: addressOf(listener) }, ["--work_thread_nums=1"]));
    const address = tunnels.public.get("echo")!;
    const idle = [await holdingsAfterStart(tunnels.server), await holdingsAfterStart(tunnels.client)] as const;
    const serve = async (service: Deno.TcpConn) => {
      await writeAll(service, await readExactly(service, 4));
      await endingOf(service);
      service.close();
    };
    const visit = async (number: number) => {
      using visitor = await connectTo(address);
      const bytes = new Uint8Array(new Uint32Array([number]).buffer);
      await writeAll(visitor, bytes);
      assertEquals(await soon(`visitor ${number} is served`, readExactly(visitor, 4), 30_000), bytes);
    };
    for (let round = 0; round < 2; round++) {
      const visits = [...Array(300).keys()].map(visit);
      const served: Promise<void>[] = [];
      while (served.length < visits.length) {
        const service = await Promise.race([acceptFrom(listener), Promise.all(visits)]);
        if (Array.isArray(service)) break;
        served.push(serve(service));
      }
      await Promise.all([...visits, ...served]);
    }
    await idleAgain(tunnels.server, idle[0]);
    await idleAgain(tunnels.client, idle[1]);
    for (const program of [tunnels.server, tunnels.client]) {
      assert(shortageLines(program) <= 1, `${shortageLines(program)} lines in a minute`);
    }
  });
}

/** Uses up what this user's pipes may hold before the kernel makes new ones tiny; gives what closes them again. */
function hoardPipes(): () => void {
  const soft = Number(Deno.readTextFileSync("/proc/sys/fs/pipe-user-pages-soft"));
  const hoard: Descriptor[] = [];
  for (let pages = 0; pages < soft; pages += 256) {
    const pipe = openPipe();
    assert(typeof pipe !== "number", "There are pipes");
    hoard.push(pipe.readEnd, pipe.writeEnd);
    // who has no privileges gets less at the end, when there is nothing left to take
    if (setPipeCapacity(pipe.readEnd, 1 << 20) < 0) break;
  }
  return () => hoard.forEach(close);
}

/** The largest of a program's pipes that were made by pipe2 without Deno's help, in bytes. */
function pipeSizes(pid: number): number[] {
  const sizes: number[] = [];
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    const path = `/proc/${pid}/fd/${name}`;
    if (!Deno.readLinkSync(path).startsWith("pipe:")) continue;
    const fd = libc.open(new TextEncoder().encode(`${path}\0`), 0o4000) as Descriptor;
    if (fd < 0) continue;
    sizes.push(getPipeCapacity(fd));
    close(fd);
  }
  return sizes;
}

Deno.test({
  name: "a user whose pipes the kernel makes tiny has both programs slower, and every byte",
  ignore: Deno.uid() === 0 && ignoreWithout("setpriv"),
  async fn() {
    await using stack = new AsyncDisposableStack();
    stack.defer(hoardPipes());
    const service = stack.use(startTransferService(BYTES));
    const commands = {
      server: withoutPipePrivileges(FROM_SOURCE.server),
      client: withoutPipePrivileges(FROM_SOURCE.client),
    };
    const tunnels = stack.use(await Tunnels.start(commands, { bulk: service.address }, ["--work_thread_nums=1"]));
    const address = tunnels.public.get("bulk")!;
    const transfers = [0, 1, 2, 3].map((seed) =>
      seed % 2 === 0 ? uploadTo(address, seed, BYTES) : downloadFrom(address, seed)
    );
    const received = await soon("all transfers", Promise.all(transfers), 60_000);
    assertEquals(received, [0, 1, 2, 3].map((seed) => payloadSha256(seed, BYTES)));
    for (const { pid } of [tunnels.server, tunnels.client]) {
      const sizes = pipeSizes(pid);
      assert(sizes.some((bytes) => bytes <= 8192) && sizes.every((bytes) => bytes <= 65_536), `${sizes} bytes`);
    }
  },
});
