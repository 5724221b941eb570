// The rules of tokens between the real programs: limits that are exact under load, refusals that are told, and clients
// that cannot take from those with another token.

import { newInstance } from "../../core/protocol/auth.ts";
import { proxyId, tunnelNo } from "../support/ids.ts";
import { encodeStartRsp, PROXY_FRAME_BYTES, START_CONNECTED } from "../../core/protocol/proxy_frame.ts";
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import { connectTo, endingOf, readExactly, resetConn, soon, writeAll } from "../support/conns.ts";
import { noticeBytes } from "../support/ctl_peer.ts";
import { CtlSpeaker } from "../support/ctl_speaker.ts";
import { Echo } from "../support/echo.ts";
import { type Holdings, holdingsAfterStart, holdingsOf } from "../support/holdings.ts";
import { until } from "../support/inspection.ts";
import { newTunnelReq } from "../support/messages.ts";
import { freePorts, type Program } from "../support/program.ts";
import { publicAddress, type Server, startClient, startServer } from "../support/starts.ts";

const ALICE = "the token of Alice";
const BOB = "the token of Bob";
const CROWD = 60;

/** A server with a YAML file, and files for its clients; `await using` ends it. */
async function serverOf(folder: string, rules: string): Promise<Server> {
  await Deno.writeTextFile(`${folder}/server.yaml`, rules);
  await Deno.chmod(`${folder}/server.yaml`, 0o600);
  return await startServer([`--config=${folder}/server.yaml`, "--work_thread_nums=2", "--drain_timeout=1s"]);
}

/** The connection of a visitor that is served, or null if it is refused. */
async function visit(address: string): Promise<Deno.TcpConn | null> {
  let conn: Deno.TcpConn | null = null;
  try {
    conn = await connectTo(address);
    await writeAll(conn, new Uint8Array([7]));
    await readExactly(conn, 1);
    return conn;
  } catch {
    // also while it connects: the reset comes at once
    conn?.close();
    return null;
  }
}

/** A crowd comes at once: those of it that are served. */
async function crowd(address: string, size = CROWD): Promise<Deno.TcpConn[]> {
  const visits = Array.from({ length: size }, () => visit(address));
  const conns = await soon("a crowd is served or refused", Promise.all(visits), 30_000);
  return conns.filter((conn) => conn !== null);
}

function leave(conns: Deno.TcpConn[]): void {
  for (const [i, conn] of conns.splice(0).entries()) {
    if (i % 2 === 0) conn.close();
    else resetConn(conn);
  }
}

/** Waits until a program holds `count` visitors beyond what it held when it was idle, each with a session. */
async function visitorsAre(program: Program, count: number, idle: Holdings): Promise<void> {
  const same = (held: Holdings) => held.sessions === count && held.sockets === idle.sockets + count;
  await until(`${count} visitors`, () => holdingsOf(program), same);
}

async function withFolder(body: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
  try {
    await body(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

Deno.test("limits of connections are exact under load, and what is released can be used again", () =>
  withFolder(async (folder) => {
    using echo = new Echo();
    await using server = await serverOf(
      folder,
      `max_connections: 25
tokens:
- {name: alice, token: ${ALICE}, max_connections: 20, max_connections_per_tunnel: 12}
- {name: bob, token: ${BOB}}
`,
    );
    const local = `local_server: "${echo.address}"`;
    await Deno.writeTextFile(`${folder}/a.yaml`, `tunnels: [{name: one, ${local}}, {name: other, ${local}}]`);
    await using alice = startClient(server.ctlPort, [`--config=${folder}/a.yaml`], { CPROXY_TOKEN: ALICE });
    await using bob = startClient(server.ctlPort, [`--local_server=${echo.address}`], { CPROXY_TOKEN: BOB });
    const [one, other, bobs] = [
      await publicAddress(alice, "one"),
      await publicAddress(alice, "other"),
      await publicAddress(bob),
    ];
    const idle = await holdingsAfterStart(server.program);
    for (let round = 0; round < 2; round++) {
      const [ones, others, his] = [await crowd(one), await crowd(other), await crowd(bobs)];
      assertEquals([ones.length, others.length, his.length], [12, 8, 5]);
      leave(ones);
      await visitorsAre(server.program, 13, idle);
      // three crowds at once, for what is left: 12 in all, and none on the tunnel of those who were there first
      const again = (await Promise.all([crowd(one), crowd(one), crowd(bobs)])).flat();
      assertEquals(again.length, 12);
      leave(again);
      leave(others);
      leave(his);
      await visitorsAre(server.program, 0, idle);
      // they come and go in all ways, so that many end before they have a session
      const hasty = Array.from({ length: 200 }, async (_, i) => {
        const conn = await connectTo([one, other, bobs][i % 3]).catch(() => null);
        if (conn === null) return;
        if (i % 4 === 0) await conn.write(new Uint8Array(1000)).catch(() => 0);
        if (i % 2 === 0) resetConn(conn);
        else conn.close();
      });
      await Promise.all(hasty);
      await visitorsAre(server.program, 0, idle);
    }
    const lines = server.program.output.split("\n").filter((line) => line.includes("Visitors are refused"));
    assertEquals(
      lines.map((line) => /by (\w+ (?:token=\w+ )?limit=\d+)/.exec(line)![1]).sort(),
      [
        "max_connections limit=25",
        "max_connections token=alice limit=20",
        "max_connections_per_tunnel token=alice limit=12",
      ],
      "one line for each rule",
    );
  }));

Deno.test("a client is told by which rule its tunnel is refused, and public ports are on the server's public_bind", () =>
  withFolder(async (folder) => {
    using echo = new Echo();
    const [allowed, other] = freePorts(2);
    await using server = await serverOf(
      folder,
      `public_bind: 127.0.0.2
tokens:
- {name: alice, token: ${ALICE}, ports: [${allowed}], max_tunnels: 1, public_bind: 127.0.0.3}
- {name: bob, token: ${BOB}}
`,
    );
    const flags = [`--local_server=${echo.address}`];
    await using refused = startClient(server.ctlPort, [...flags, `--remote_port=${other}`], { CPROXY_TOKEN: ALICE });
    const said = await refused.line(/WARN .*Tunnel is refused .*/);
    const reason = `Token \\"alice\\" may use ports ${allowed}, and not port ${other}`;
    assert(said[0].endsWith(`name=default port=${other} reason="${reason}" rule=ports`), said[0]);
    assert((await server.program.line(/Tunnel is refused .*/))[0].includes(reason));
    await using granted = startClient(server.ctlPort, flags, { CPROXY_TOKEN: ALICE });
    assertEquals(await publicAddress(granted), `127.0.0.3:${allowed}`);
    await using third = startClient(server.ctlPort, flags, { CPROXY_TOKEN: ALICE });
    assertMatch((await third.line(/Tunnel is refused .*/))[0], /has reached its max_tunnels \(1\)" rule=max_tunnels$/);
    await using bob = startClient(server.ctlPort, flags, { CPROXY_TOKEN: BOB });
    const bobs = await publicAddress(bob);
    assertMatch(bobs, /^127\.0\.0\.2:/);
    for (const address of [`127.0.0.3:${allowed}`, bobs]) (await visit(address))!.close();
    for (const program of [server.program, refused, granted, third, bob]) {
      assert(!program.output.includes(ALICE) && !program.output.includes(BOB), "no log shows a token");
    }
  }));

Deno.test("a client with another token takes over nothing, though it knows every number", () =>
  withFolder(async (folder) => {
    await using server = await serverOf(
      folder,
      `tokens:\n- {name: alice, token: ${ALICE}}\n- {name: bob, token: ${BOB}}\npool_count: 1\n`,
    );
    using alice = await CtlSpeaker.connect(server.ctlPort);
    const instance = newInstance();
    await alice.logIn(instance, ALICE);
    using _alicesNotices = await alice.bring(server.proxyPort, await alice.next("NotifyClientNeedProxy"));
    const need = await alice.next("NotifyClientNeedProxy");
    await alice.send(newTunnelReq(1, "web", 0));
    const up = await alice.next("NewTunnelRsp");
    assert(up.ok);
    const visitor = await connectTo(`127.0.0.1:${up.remote_port}`);
    using bob = await CtlSpeaker.connect(server.ctlPort);
    await bob.logIn(instance, BOB);
    using bobsNotices = await bob.bring(server.proxyPort, await bob.next("NotifyClientNeedProxy"));
    const bobs = await bob.next("NotifyClientNeedProxy");
    // his own ticket for her ProxyConn, and hers cannot be guessed
    const stolen = await bob.bring(server.proxyPort, { ...bobs, worker: need.worker, proxy: need.proxy });
    await soon("the ProxyConn is refused", endingOf(stolen));
    stolen.close();
    await bob.send(
      { type: "CloseTunnel", tunnel: tunnelNo(1), reason: "mine now" },
      newTunnelReq(1, "web", up.remote_port),
    );
    const refused = await bob.next("NewTunnelRsp");
    assert(!refused.ok);
    assertEquals(refused.reason, `Port ${up.remote_port} belongs to a client with another token`);
    // she is still there: her ProxyConns carry the visitor's session, whatever he says about it
    const proxies: Deno.TcpConn[] = [];
    let session: Deno.TcpConn | null = null;
    for (let ask = need; session === null; ask = await alice.next("NotifyClientNeedProxy")) {
      const conn = await alice.bring(server.proxyPort, ask);
      proxies.push(conn);
      await soon("the first frame", readExactly(conn, PROXY_FRAME_BYTES));
      session = conn;
      const notice = { proxy: proxyId(ask.proxy), session: 1 as never };
      const types = ["ResetSession", "FreeProxyConnReq", "NotifyProxyShutdownPeerConn"] as const;
      await writeAll(bobsNotices, noticeBytes(...types.map((type) => ({ type, ...notice, total: 0 }))));
      await bob.send(newTunnelReq(2, "sync", 0));
      await bob.next("NewTunnelRsp");
      const answer = new DataView(new ArrayBuffer(PROXY_FRAME_BYTES));
      encodeStartRsp(answer, 1 as never, START_CONNECTED);
      await writeAll(conn, new Uint8Array(answer.buffer));
      break;
    }
    await writeAll(session!, new Uint8Array([42]));
    assertEquals(await soon("payload arrives", readExactly(visitor, 1)), new Uint8Array([42]));
    visitor.close();
    for (const conn of proxies) conn.close();
  }));
