// The texts that explain a program's settings, made from its table. It knows no setting by name but `--config`.

import { configFileSetting, type SettingsList, type SettingsTable } from "./setting.ts";
import { TOKEN_VARIABLE } from "./token.ts";

/** The version of both programs; equal to `version` in deno.json, which a test checks. */
export const VERSION = "0.1.0";

/** A program as its user sees it. */
export interface Program {
  /** The name that it goes by, such as `cproxy-server`. */
  readonly name: string;
  /** What it does, as a sentence without its period. */
  readonly summary: string;
  /** The settings that are both flags and YAML keys. */
  readonly settings: SettingsTable;
  /** The list that its file may have, or `null`. */
  readonly list: SettingsList | null;
  /** Command lines that show how it is used. */
  readonly examples: readonly string[];
}

/** What `--version` prints, without a line break at its end. */
export function versionText(program: Program): string {
  return `${program.name} ${VERSION}`;
}

/** What `--help` prints, without a line break at its end. */
export function helpText(program: Program): string {
  const { name, summary, settings, list, examples } = program;
  const flags = { config: configFileSetting, ...(list?.asFlags ? list.settings : {}), ...settings };
  const keys = list === null || list.asFlags ? [] : described(list.settings, (key) => `${list.key}[].${key}`, ": ");
  return [
    `${versionText(program)}: ${summary}`,
    "",
    `Usage: ${name} [--flag=value ...]`,
    "",
    "Flags:",
    ...described(flags, (key) => `--${key}`, "="),
    "  --help, -h\n      Print this text and exit.",
    "  --version, -v\n      Print the version and exit.",
    "",
    "Underscores and hyphens in flag names are the same, and so are --flag=value and --flag value.",
    "-c FILE is --config=FILE.",
    "Times are written 500ms, 10s or 2m; a bare number counts seconds.",
    ...(list?.asFlags ? flagsOfEntry(list) : []),
    `The token is the first of --token, --token_file, ${TOKEN_VARIABLE} in the environment, and token or token_file in YAML.`,
    ...(keys.length === 0 ? [] : ["", "In YAML only:", ...keys]),
    "",
    "Examples:",
    ...examples.map((example) => `  ${example}`),
    "",
    "Exit status: 0 after a stop by signal, 1 after a second signal or if something failed, 2 if a setting is wrong.",
  ].join("\n");
}

/** Each setting with its meaning, what values it takes, its default and an example. */
function described(settings: SettingsTable, nameOf: (key: string) => string, assign: "=" | ": "): string[] {
  return Object.entries(settings).map(([key, { value, meaning, example, default: fallback, defaultText }]) =>
    [
      `  ${nameOf(key)}${assign}${value.placeholder}`,
      ...wrapped(meaning),
      ...wrapped(`Value: ${value.expected}.`),
      `      Default: ${defaultText ?? fallback ?? "none"}. Example: ${nameOf(key)}${assign}${example}`,
    ].join("\n")
  );
}

function flagsOfEntry({ key, settings }: SettingsList): string[] {
  return [
    `In YAML, ${Object.keys(settings).join(", ")} are the keys of each entry of the list \`${key}\`;`,
    "the tunnel of the command line takes the place of that list.",
  ];
}

/** Breaks a text into indented lines that fit a terminal. */
function wrapped(text: string): string[] {
  const lines = [""];
  for (const word of text.split(" ")) {
    const line = `${lines.at(-1)} ${word}`.trimStart();
    if (line.length > 90) lines.push(word);
    else lines[lines.length - 1] = line;
  }
  return lines.map((line) => `      ${line}`);
}
