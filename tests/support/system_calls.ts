// Which system calls a program makes, as strace(1) sees it. It knows nothing of what the program does.

import { toolPath } from "./tools.ts";

/** The calls that read or write bytes. */
const CALLS = ["read", "readv", "pread64", "preadv", "recvfrom", "recvmsg", "recvmmsg"].concat(
  ["write", "writev", "pwrite64", "pwritev", "sendto", "sendmsg", "sendmmsg", "splice", "sendfile", "tee", "vmsplice"],
);

/** One call that moved bytes. */
export interface ByteCall {
  readonly thread: number;
  readonly call: string;
  readonly bytes: number;
}

/** The command that runs `command` under strace, which writes to `log`. */
export function traced(command: readonly string[], log: string): string[] {
  // -D: strace is a child of the program, which so gets its signals, and may be traced without privileges (Yama).
  // --seccomp-bpf: no other call is slowed down. -ttt: when, in seconds since 1970.
  const flags = ["-D", "-f", "--seccomp-bpf", "-qq", "-ttt", "-s", "0", "-e", "signal=none", "-e", "status=successful"];
  return [toolPath("strace"), ...flags, "-e", `trace=${CALLS.join(",")}`, "-o", log, ...command];
}

/** The calls in strace's output that ended between two times, in ms since 1970, and moved at least one byte. */
export function* byteCalls(log: string, from: number, to: number): Generator<ByteCall, void> {
  // 1234 1700000000.123456 splice(7, NULL, 9, NULL, 65536, ...) = 65536
  // 1234 1700000000.123456 <... splice resumed>) = 65536
  for (const line of log.split("\n")) {
    const found = /^(\d+) +(\d+\.\d+) (?:<\.\.\. )?(\w+)(?: resumed|\().* = (\d+)$/.exec(line);
    if (found === null) continue;
    const ms = 1000 * Number(found[2]);
    const bytes = Number(found[4]);
    if (bytes > 0 && ms >= from && ms <= to) yield { thread: Number(found[1]), call: found[3], bytes };
  }
}
