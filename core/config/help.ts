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
  const rows = rowsOf(program);
  const flags = rows.filter(({ flag }) => flag !== null).map(({ flag, placeholder, standard, meaning, example }) =>
    [
      `  ${flag}=${placeholder}`,
      ...wrapped(meaning),
      `      Default: ${standard}. Example: ${flag}=${example}`,
    ].join("\n")
  );
  const keys = rows.filter(({ flag }) => flag === null).map(({ yamlKey, placeholder, standard, meaning, example }) =>
    [`  ${yamlKey}: ${placeholder}`, ...wrapped(meaning), `      Default: ${standard}. Example: ${example}`].join("\n")
  );
  return [
    `${versionText(program)}: ${program.summary}`,
    "",
    `Usage: ${program.name} [--flag=value ...]`,
    "",
    "Flags:",
    ...flags,
    "  --help, -h\n      Print this text and exit.",
    "  --version, -v\n      Print the version and exit.",
    "",
    "Underscores and hyphens in flag names are the same, and so are --flag=value and --flag value.",
    "-c FILE is --config=FILE.",
    "Times are written 500ms, 10s or 2m; a bare number counts seconds.",
    ...(program.list?.asFlags ? flagsOfEntry(program.list) : []),
    `The token is the first of --token, --token_file, ${TOKEN_VARIABLE} in the environment, and token or token_file in YAML.`,
    ...(keys.length === 0 ? [] : ["", "In YAML only:", ...keys]),
    "",
    "Examples:",
    ...program.examples.map((example) => `  ${example}`),
    "",
    "Exit status: 0 after a stop by signal, 1 if something failed, 2 if a setting is wrong.",
  ].join("\n");
}

function flagsOfEntry({ key, settings }: SettingsList): string[] {
  return [
    `In YAML, ${Object.keys(settings).join(", ")} are the keys of each entry of the list \`${key}\`;`,
    "the tunnel of the command line takes the place of that list.",
  ];
}

/** A setting as its user reads of it. */
interface Row {
  flag: string | null;
  yamlKey: string | null;
  placeholder: string;
  standard: string;
  meaning: string;
  example: string;
}

function rowsOf({ settings, list }: Program): Row[] {
  const entry = list === null ? [] : tableRows(list.settings, (key) => `${list.key}[].${key}`);
  return [
    ...tableRows({ config: configFileSetting }, () => null),
    ...(list?.asFlags ? entry : []),
    ...tableRows(settings, (key) => key),
    ...(list?.asFlags ? [] : entry.map((row) => ({ ...row, flag: null }))),
  ];
}

function tableRows(settings: SettingsTable, yamlKey: (key: string) => string | null): Row[] {
  return Object.entries(settings).map((
    [key, { value, meaning, example, defaultText, default: fallback }],
  ) => ({
    flag: `--${key}`,
    yamlKey: yamlKey(key),
    placeholder: value.placeholder,
    standard: defaultText ?? fallback ?? "none",
    meaning,
    example,
  }));
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
