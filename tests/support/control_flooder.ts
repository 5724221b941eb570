// A program that floods a server with requests for a port that its token may not use, on many ctl_conns, and reads the
// refusals. Arguments: ctl_port, token, ctl_conns, bytes for each. It says "logged in" before it begins, "done" at the end.

import { newInstance } from "../../core/protocol/auth.ts";
import { tunnelNo } from "./ids.ts";
import { writeAll } from "./conns.ts";
import { bytesOf } from "./ctl_peer.ts";
import { CtlSpeaker } from "./ctl_speaker.ts";

const [ctlPort, token, conns, bytes] = Deno.args;

const ranges = Array.from({ length: 64 }, (_, i) => `2001:db8:${i.toString(16)}::/48`);
const request = bytesOf({
  type: "NewTunnelReq",
  tunnel: tunnelNo(1),
  name: "x".repeat(128),
  remote_port: 9,
  allow: ranges,
  deny: ranges,
});
const flood = new Uint8Array(Math.ceil(Number(bytes) / request.length) * request.length);
for (let at = 0; at < flood.length; at += request.length) flood.set(request, at);

async function drop(conn: Deno.TcpConn): Promise<void> {
  const room = new Uint8Array(65_536);
  while (await conn.read(room) !== null);
}

const speakers: CtlSpeaker[] = [];
for (let i = 0; i < Number(conns); i++) {
  const speaker = await CtlSpeaker.connect(Number(ctlPort));
  await speaker.logIn(newInstance(), token);
  speakers.push(speaker);
}
console.log("logged in");
for (const { conn } of speakers) drop(conn).catch(() => {});
await Promise.all(speakers.map(({ conn }) => writeAll(conn, flood)));
console.log("done");
Deno.exit(0);
