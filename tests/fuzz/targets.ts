// Everything that is fuzzed. What reads bytes or text that somebody else chose has a target here.

import type { Target } from "./target.ts";
import { binaryBodies, tickets } from "./targets/binary_bodies.ts";
import { clientLogins } from "./targets/client_logins.ts";
import { clientCommandLines, serverCommandLines } from "./targets/command_lines.ts";
import { ctlFrames, noticeFrames } from "./targets/frame_streams.ts";
import { jsonBodies } from "./targets/json_bodies.ts";
import { logLines } from "./targets/log_lines.ts";
import { greetings, proxyFrames } from "./targets/proxy_conn_frames.ts";
import { settingValues } from "./targets/settings.ts";
import { clientYaml, serverYaml } from "./targets/yaml_files.ts";

/** All targets. */
export const TARGETS: readonly Target[] = [
  ctlFrames,
  noticeFrames,
  binaryBodies,
  jsonBodies,
  greetings,
  proxyFrames,
  tickets,
  clientLogins,
  settingValues,
  serverCommandLines,
  clientCommandLines,
  serverYaml,
  clientYaml,
  logLines,
];

/** How many inputs each target gets of `inputs`, 1 at least. */
export function inputsOf(target: Target, inputs: number): number {
  const shares = TARGETS.reduce((sum, { share }) => sum + share, 0);
  return Math.max(1, Math.ceil((inputs * target.share) / shares));
}
