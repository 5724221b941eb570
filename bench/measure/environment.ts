// The machine that is measured on, and the versions of what measures. It knows no contender.

import { versionOf } from "../contenders/installed.ts";
import { toolPath } from "../../tests/support/tools.ts";

const TOOLS: readonly (readonly [string, string])[] = [
  ["iperf3", "--version"],
  ["ab", "-V"],
  ["wrk", "-v"],
  ["nginx", "-v"],
  ["strace", "-V"],
];

/** What the results depend on, by what it is. */
export async function environment(): Promise<Record<string, string>> {
  const cpu = Deno.readTextFileSync("/proc/cpuinfo");
  const found: Record<string, string> = {
    cores: String(navigator.hardwareConcurrency),
    CPU: /^model name\s*:\s*(.*)$/m.exec(cpu)?.[1] ?? "unknown",
    memory: `${Math.round(Deno.systemMemoryInfo().total / 2 ** 30)} GiB`,
    kernel: `Linux ${Deno.osRelease()} ${Deno.build.arch}`,
    "TCP congestion control": readSetting("net/ipv4/tcp_congestion_control"),
    "load before": loadAverage(),
    Deno: `${Deno.version.deno} (V8 ${Deno.version.v8})`,
  };
  for (const [name, flag] of TOOLS) {
    try {
      found[name] = await versionOf(toolPath(name), [flag]);
    } catch (error) {
      found[name] = `missing: ${(error as Error).message}`;
    }
  }
  return found;
}

/** A setting of the kernel, as it is for whoever says nothing else. */
function readSetting(path: string): string {
  try {
    return Deno.readTextFileSync(`/proc/sys/${path}`).trim();
  } catch {
    return "unknown";
  }
}

/** The load averages of the last 1, 5 and 15 minutes: what else the machine is doing. */
export function loadAverage(): string {
  return Deno.loadavg().map((load) => load.toFixed(2)).join(" ");
}
