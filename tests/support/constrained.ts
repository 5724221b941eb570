// Commands that run a program with less than it would like to have. It knows no program.

import { toolPath } from "./tools.ts";

/** The command that runs `command` with `descriptors` as the most that it may open, which it cannot raise. */
export function withDescriptors(descriptors: number, command: readonly string[]): string[] {
  return ["/bin/sh", "-c", `ulimit -n ${descriptors} && exec "$0" "$@"`, ...command];
}

/**
 * The command that runs `command` as somebody whose pipes the kernel counts (pipe(7), fs.pipe-user-pages-soft): the same
 * user, without the capabilities that count as being root there. Needs setpriv when this is root.
 */
export function withoutPipePrivileges(command: readonly string[]): string[] {
  if (Deno.uid() !== 0) return [...command];
  const dropped = "-sys_admin,-sys_resource";
  return [toolPath("setpriv"), `--bounding-set=${dropped}`, `--inh-caps=${dropped}`, ...command];
}

/** The command that runs `command` with its stderr redirected as the shell says, such as `2>&-`. */
export function withRedirection(redirection: string, command: readonly string[]): string[] {
  return ["/bin/sh", "-c", `exec "$0" "$@" ${redirection}`, ...command];
}
