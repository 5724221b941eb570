// Programs whose log goes nowhere: a full disk, a closed stderr, one whose reader has gone, one that nobody reads. They
// serve on, find each other again and stop when they are told to, while every connection writes debug lines.

import { assertEquals } from "../support/assert.ts";
import {
  acceptFrom,
  addressOf,
  connectTo,
  endingOf,
  listenLocally,
  readExactly,
  soon,
  writeAll,
} from "../support/conns.ts";
import { withRedirection } from "../support/constrained.ts";
import { freePorts } from "../support/program.ts";
import { until } from "../support/inspection.ts";
import { FROM_SOURCE } from "../support/tunnels.ts";

/** Debug lines of so many visits fill any pipe several times. */
const VISITS = 400;

/** How a program is started, and what is done with its stderr. */
interface Output {
  readonly what: string;
  readonly command: (command: readonly string[]) => readonly string[];
  readonly stderr: "piped" | "null";
  /** What the parent does with the pipe. */
  readonly onStart: (child: Deno.ChildProcess) => Promise<void> | void;
}

const same = (command: readonly string[]) => command;
const OUTPUTS: readonly Output[] = [
  { what: "on a full disk", command: (c) => withRedirection("2>/dev/full", c), stderr: "null", onStart() {} },
  { what: "closed", command: (c) => withRedirection("2>&-", c), stderr: "null", onStart() {} },
  {
    what: "a pipe whose reader has gone",
    command: same,
    stderr: "piped",
    onStart: (child) => child.stderr.cancel(),
  },
  { what: "a pipe that nobody reads", command: same, stderr: "piped", onStart() {} },
];

for (const { what, command, stderr, onStart } of OUTPUTS) {
  Deno.test({
    name: `with a stderr that is ${what} both programs serve, find each other again and stop in order`,
    sanitizeResources: false, // a pipe that is not to be read is one that stays open
    async fn() {
      await using stack = new AsyncDisposableStack();
      const listener = stack.adopt(listenLocally(), (listener) => listener.close());
      const [ctlPort, proxyPort, publicPort] = freePorts(3);
      const start = async (line: readonly string[], flags: readonly string[]) => {
        const [path, ...args] = command([...line, ...flags, "--log_level=debug", "--work_thread_nums=1"]);
        const child = new Deno.Command(path, { args, stdin: "null", stdout: "null", stderr }).spawn();
        stack.defer(async () => {
          try {
            child.kill("SIGKILL");
          } catch {
            // it has ended
          }
          await child.status;
          if (stderr === "piped") await child.stderr.cancel().catch(() => {});
        });
        await onStart(child);
        return child;
      };
      const startServer = () =>
        start(FROM_SOURCE.server, ["--bind=127.0.0.1", `--ctl_port=${ctlPort}`, `--proxy_port=${proxyPort}`]);
      const stopped = async (child: Deno.ChildProcess) => {
        child.kill("SIGTERM");
        return (await soon("the program stops", child.status)).code;
      };

      const visit = async () => {
        using visitor = await connectTo(`127.0.0.1:${publicPort}`);
        const service = await acceptFrom(listener);
        await writeAll(visitor, new Uint8Array([7]));
        await writeAll(service, await readExactly(service, 1));
        assertEquals(await readExactly(visitor, 1), new Uint8Array([7]));
        service.close();
        assertEquals(await endingOf(visitor), "end");
      };
      const isUp = () => connectTo(`127.0.0.1:${publicPort}`).then((conn) => (conn.close(), true), () => false);
      // the connection with which this is found out is a session, too
      const up = async () => {
        await until("the tunnel is up", isUp, (up) => up);
        (await soon("its session", acceptFrom(listener))).close();
      };

      let server = await startServer();
      const client = await start(FROM_SOURCE.client, [
        `--cproxy_server=127.0.0.1:${ctlPort}`,
        `--local_server=${addressOf(listener)}`,
        `--remote_port=${publicPort}`,
      ]);
      await up();
      for (let i = 0; i < VISITS; i++) await soon(`visit ${i}`, visit());
      assertEquals(await stopped(server), 0);
      server = await startServer();
      await up();
      await soon("a visit after the restart", visit());
      assertEquals([await stopped(client), await stopped(server)], [0, 0]);
    },
  });
}
