// Flags from the command line, as text. It knows their names and nothing of what they mean.

import { parseArgs as untypedParseArgs } from "@std/cli/parse-args";
import { ConfigError, nearestName, quote } from "./config_error.ts";

/** The part of the standard library's `parseArgs` that is used here; the npm package ships no types. */
const parseArgs: (args: string[], options: {
  string: string[];
  boolean: string[];
  collect: string[];
  unknown: (arg: string, key?: string) => boolean;
}) => Record<string, unknown> & { _: readonly string[] } = untypedParseArgs;

/** What the command line asks for. */
export type CommandLine = { kind: "help" } | { kind: "version" } | { kind: "run"; flags: ReadonlyMap<string, string> };

/**
 * Reads `--name=value` and `--name value`, where underscores and hyphens in names are the same, and `-h`, `-v` and `-c
 * FILE`.
 *
 * @param names The flags that take a value, in snake_case; `--help` and `--version` come on top.
 * @throws {ConfigError} On an unknown or repeated flag, a missing value, or anything that is no flag.
 */
export function readCommandLine(args: readonly string[], names: readonly string[]): CommandLine {
  const unknownFlags: string[] = [];
  const strayWords: string[] = [];
  const uniform = uniformFlags(args);
  const parsed = parseArgs(uniform, {
    string: [...names],
    boolean: ["help", "version"],
    collect: [...names],
    // It keeps nothing that is unknown: its own list of words could be overwritten by a flag `--_`.
    unknown: (arg, key) => {
      if (key === undefined) strayWords.push(arg);
      else unknownFlags.push(arg.replace(/=.*$/s, ""));
      return false;
    },
  });
  // What stands behind `--` is not asked about.
  strayWords.push(...parsed._);
  if (parsed.help === true) return { kind: "help" };
  if (parsed.version === true) return { kind: "version" };
  const flags = new Map<string, string>();
  for (const name of names) {
    const values = parsed[name] as string[];
    if (values.length > 1) throw new ConfigError(`--${name}: expected once, got ${values.length} times`);
    // An empty value is one for `--name=`, but for `--name` there was none to take.
    if (values[0] === "" && uniform.includes(`--${name}`)) {
      throw new ConfigError(`--${name}: expected a value, as in --${name}=value`);
    }
    if (values[0] !== undefined) flags.set(name, values[0]);
  }
  // behind a flag without a value it may be that value, and a token is not shown
  if (unknownFlags.length > 0) throw unknownFlag(unknownFlags[0]!, names);
  if (strayWords.length > 0) {
    // With a token about, a stray word may be a part of it.
    const word = flags.has("token") ? "" : ` ${quote(strayWords[0]!)}`;
    throw new ConfigError(`Unexpected argument${word}: every setting is a flag, as in --${names[0]}=value`);
  }
  return { kind: "run", flags };
}

/** The short forms that other programs have as well. */
const SHORT: Readonly<Record<string, string>> = { "-h": "--help", "-v": "--version", "-c": "--config" };

/** Writes short flags in full and the hyphens inside flag names as underscores, and leaves values alone. */
function uniformFlags(args: readonly string[]): string[] {
  const end = args.indexOf("--");
  return args.map((arg, i) => {
    if (end !== -1 && i >= end) return arg;
    const full = arg.replace(/^-[a-z](?==|$)/, (flag) => SHORT[flag] ?? flag);
    return full.replace(/^--[^=]+/, (flag) => `--${flag.slice(2).replaceAll("-", "_")}`);
  });
}

function unknownFlag(flag: string, names: readonly string[]): ConfigError {
  const meant = nearestName(flag.replace(/^-+/, ""), [...names, "help", "version"]);
  const advice = meant === undefined ? "see --help" : `did you mean --${meant}`;
  return new ConfigError(`Unknown flag ${quote(flag).slice(1, -1)}: ${advice}`);
}
