// Command lines: the arguments of an input are separated by zero bytes. Only a ConfigError in one line may come out.

import { ConfigError } from "../../../core/config/config_error.ts";
import { CLIENT_PROGRAM, type ClientConfig, loadClientConfig } from "../../../core/config/client_config.ts";
import type { Program } from "../../../core/config/help.ts";
import type { Loaded } from "../../../core/config/load.ts";
import { loadServerConfig, SERVER_PROGRAM, type ServerConfig } from "../../../core/config/server_config.ts";
import type { SettingsTable } from "../../../core/config/setting.ts";
import type { Environment, ReadFile } from "../../../core/config/token.ts";
import type { Random } from "../../support/random.ts";
import { oneOf } from "../mutation.ts";
import { SETTING_WORDS, settingText } from "../setting_texts.ts";
import { bug, expectCleanPrototypes, expectOneLine, type Target } from "../target.ts";

type Load = (args: string[], env: Environment, readFile: ReadFile) => Loaded<ServerConfig> | Loaded<ClientConfig>;

const ODD = [
  "--",
  "-",
  "---",
  "--=",
  "--=x",
  "-x",
  "-xyz",
  "-x=1",
  "--help",
  "--version",
  "--no-token",
  "--no-help",
  "--help=false",
  "--__proto__=x",
  "--__proto__.polluted=x",
  "--constructor.prototype.polluted=x",
  "--constructor",
  "--hasOwnProperty=1",
  "--a.b.c=1",
  "--_=x",
  "--token",
  "stray",
  "",
];

/** The settings of a program that are flags. */
function settingsOf({ settings, list }: Program): SettingsTable {
  return list?.asFlags ? { ...settings, ...list.settings } : settings;
}

function argumentsOf(random: Random, program: Program): string[] {
  const settings = settingsOf(program);
  const args: string[] = [];
  if (program.list?.asFlags && random.chance(0.8)) args.push("--local_server=127.0.0.1:1");
  while (random.chance(0.75)) {
    if (random.chance(0.2)) {
      args.push(oneOf(random, ODD));
      continue;
    }
    const key = oneOf(random, Object.keys(settings));
    const flag = random.chance(0.2) ? key.replaceAll("_", "-") : key;
    const text = settingText(random, settings, key);
    if (random.chance(0.7)) args.push(`--${flag}=${text}`);
    else args.push(`--${flag}`, text);
  }
  return args;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

function commandLines(name: string, program: Program, load: Load): Target {
  return {
    name,
    share: 3,
    longest: 8192,
    words: [...ODD.map((word) => encoder.encode(word)), ...SETTING_WORDS, Uint8Array.of(0)],
    valid: (random) => encoder.encode(argumentsOf(random, program).join("\0")),
    accepts(input) {
      const args = input.length === 0 ? [] : decoder.decode(input).split("\0");
      const noFile = () => {
        throw new Deno.errors.NotFound("No such file or directory (os error 2): open 'x'");
      };
      try {
        const loaded = load(args, { get: () => undefined }, noFile);
        expectCleanPrototypes();
        if (loaded.kind === "run") expectSound(loaded.config);
        return true;
      } catch (error) {
        if (!(error instanceof ConfigError)) throw error;
        expectOneLine(error.message, 1000);
        expectCleanPrototypes();
        return false;
      }
    },
  };
}

/** What holds for every configuration, said in other words than where it was read. */
export function expectSound(config: ServerConfig | ClientConfig): void {
  for (const [key, value] of Object.entries(config)) {
    const isNumber = typeof value === "number";
    if (value === undefined || (isNumber && !(Number.isSafeInteger(value) && value >= 0))) bug(`${key} is ${value}`);
    if (isNumber && /port$/i.test(key) && value > 65_535) bug(`${key} is ${value}`);
  }
  if (config.workThreadNums < 1) bug("No worker threads");
  if (config.heartbeatTimeoutMs <= config.heartbeatIntervalMs) bug("Heartbeats that come too late");
  if ("tunnels" in config && config.tunnels.length === 0) bug("A client without tunnels");
}

/** The server's flags. */
export const serverCommandLines: Target = commandLines("server_flags", SERVER_PROGRAM, loadServerConfig);

/** The client's flags. */
export const clientCommandLines: Target = commandLines("client_flags", CLIENT_PROGRAM, loadClientConfig);
