// One port for logins and data, and ports for data that are another host's or number's on the client's side.

import { assert, assertEquals } from "./support/assert.ts";
import { endingOf, soon, writeAll } from "./support/conns.ts";
import { CtlSpeaker } from "./support/ctl_speaker.ts";
import { Forwarder } from "./support/forwarder.ts";
import { freePorts } from "./support/program.ts";
import { publicAddress, startClient, startServer } from "./support/starts.ts";
import { Traffic } from "./support/traffic.ts";
import { startTransferService } from "./support/transfers.ts";

const TRANSFER_BYTES = 1 << 18;

Deno.test("one port takes logins and data connections, however slowly their first byte comes", async () => {
  const [port] = freePorts(1);
  await using transfers = startTransferService(TRANSFER_BYTES);
  await using server = await startServer([`--ctl_port=${port}`, `--proxy_port=${port}`]);
  assertEquals([server.ctlPort, server.proxyPort], [port, port]);
  // what says nothing, or something else, holds up nobody
  const silent = await Deno.connect({ port });
  const stranger = await Deno.connect({ port });
  await writeAll(stranger, new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"));
  assertEquals(await soon("the end of what is neither", endingOf(stranger)), "end");
  await using client = startClient(port, [`--local_server=${transfers.address}`]);
  const traffic = new Traffic(await publicAddress(client), TRANSFER_BYTES);
  using late = await CtlSpeaker.connect(port);
  // the kernel hands a connection over that says nothing when it has waited for 3 s
  await new Promise((resolve) => setTimeout(resolve, 3500));
  await late.logIn();
  assert(await traffic.stop() > 3);
  stranger.close();
  silent.close();
});

Deno.test("data connections take the way that the client is told, by its own setting or by its server", async () => {
  await using transfers = startTransferService(TRANSFER_BYTES);
  const [proxyPort] = freePorts(1);
  await using mapped = new Forwarder(proxyPort);
  // the port that the server says itself is nobody's where the client is
  await using server = await startServer([`--proxy_port=${proxyPort}`, `--advertise_proxy_port=${mapped.port}`]);
  await using told = startClient(server.ctlPort, [`--local_server=${transfers.address}`]);
  const first = new Traffic(await publicAddress(told), TRANSFER_BYTES);
  assert(await first.stop() > 0);
  await using other = new Forwarder(proxyPort);
  const flags = [`--local_server=${transfers.address}`, `--proxy_server=localhost:${other.port}`];
  await using set = startClient(server.ctlPort, flags);
  const second = new Traffic(await publicAddress(set), TRANSFER_BYTES);
  assert(await second.stop() > 0);
});
