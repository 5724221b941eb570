// Programs run as the user nobody, with an empty environment and without any right to gain more. Where the tests are not
// root's, they are unprivileged already, and run as who they are.

import { toolPath } from "./tools.ts";

const NOBODY = 65534;
const isRoot = Deno.uid() === 0;

/** How to do it. */
export const asNobody = {
  /** The command that runs `command` so, with `env` as its whole environment. */
  command(command: readonly string[], env: Readonly<Record<string, string>>): string[] {
    const become = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, "--clear-groups", "--bounding-set=-all"];
    const less = [toolPath("setpriv"), ...(isRoot ? become : []), "--no-new-privs"];
    const variables = Object.entries(env).map(([name, value]) => `${name}=${value}`);
    return [...less, toolPath("env"), "--ignore-environment", ...variables, ...command];
  },

  /** Gives a file to that user. */
  async own(path: string): Promise<void> {
    if (isRoot) await Deno.chown(path, NOBODY, NOBODY);
  },
};
