// The YAML file: from text to checked values. It knows the form of a file and nothing of flags or of the environment.

import { parse as untypedParse } from "@std/yaml/parse";
import * as v from "valibot";
import { ConfigError, describeValue, quote, UnexpectedValueError } from "./config_error.ts";
import { nearestName } from "./nearest_name.ts";
import type { SettingsList, SettingsTable } from "./setting.ts";
import type { ValueKind } from "./value_kind.ts";
import { lineOfYamlPath, type YamlPath } from "./yaml_line.ts";

/** The part of the standard library's `parse` that is used here; the npm package ships no types. */
const parse: (text: string, options: { schema: "core" }) => unknown = untypedParse;

/** A file that was read and checked. */
export interface ConfigFile {
  /** Where it was found. */
  readonly path: string;
  /** The settings that it has, checked; those that it leaves out are missing. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The entries of its list, each complete with defaults and `null` for what has none; `null` if it has no list. */
  readonly list: readonly Readonly<Record<string, unknown>>[] | null;
  /** Names a place in it for an error message, such as `client.yaml:7: tunnels[1].remote_port`. */
  placeOf(path: YamlPath): string;
  /** Resolves the path of a file that it names: a relative one starts at its own directory. */
  pathOf(path: string | null): string | null;
}

/**
 * Checks the text of a configuration file.
 *
 * @param path Its name in messages.
 * @param settings The keys that it may have.
 * @param list The list that it may have, or `null`.
 * @throws {ConfigError} On the first mistake: one line with the file, the line, the key and what is expected.
 */
export function readConfigFile(
  path: string,
  text: string,
  settings: SettingsTable,
  list: SettingsList | null,
): ConfigFile {
  const placeOf = (keys: YamlPath) =>
    `${path}:${lineOfYamlPath(text, keys)}${keys.length === 0 ? "" : ": "}${dotted(keys)}`;
  const checked = v.safeParse(fileSchema(settings, list), parseYaml(path, text) ?? {}, { abortEarly: true });
  if (!checked.success) {
    const issue = checked.issues[0];
    throw new ConfigError(`${placeOf(issue.path?.map((item) => item.key as string | number) ?? [])}: ${issue.message}`);
  }
  const values = checked.output as Record<string, unknown>;
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const pathOf = (named: string | null) => named === null || named.startsWith("/") ? named : directory + named;
  if (list === null) return { path, values, list: null, placeOf, pathOf };
  const { [list.key]: entries, ...others } = values;
  return { path, values: others, list: (entries ?? null) as ConfigFile["list"], placeOf, pathOf };
}

function fileSchema(settings: SettingsTable, list: SettingsList | null): v.GenericSchema {
  const entries: v.ObjectEntries = {};
  for (const [key, { value }] of Object.entries(settings)) entries[key] = v.optional(schemaOf(value));
  if (list !== null) {
    const entry = entrySchema(list.settings);
    entries[list.key] = v.optional(v.array(entry, (issue) => `expected a list, got ${formOf(issue.input)}`));
  }
  return mapping(entries, settings);
}

function entrySchema(settings: SettingsTable): v.GenericSchema {
  const entries: v.ObjectEntries = {};
  const nothing: Record<string, null> = {};
  for (const [key, { value, default: fallback, required }] of Object.entries(settings)) {
    if (fallback !== null) entries[key] = v.optional(schemaOf(value), fallback);
    else if (required) entries[key] = schemaOf(value);
    else {
      entries[key] = v.optional(schemaOf(value));
      nothing[key] = null;
    }
  }
  return v.pipe(mapping(entries, settings), v.transform((entry) => ({ ...nothing, ...entry as object })));
}

/** A mapping with these keys and no others; `settings` says what is expected where one is missing. */
function mapping(entries: v.ObjectEntries, settings: SettingsTable): v.GenericSchema {
  const known = Object.keys(entries);
  return v.pipe(
    v.unknown(),
    v.check(
      (value) => typeof value === "object" && value !== null && !Array.isArray(value),
      ({ input }) => `expected keys with values, as in "${known[0]}: \u2026", got ${formOf(input)}`,
    ),
    v.strictObject(entries, (issue) => {
      const key = String(issue.path?.[0]?.key);
      if (issue.expected !== "never") return `expected ${settings[key]?.value.expected}, got nothing`;
      const meant = nearestName(key, known);
      return `unknown key, ${meant === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${meant}`}`;
    }),
  );
}

/** What stands where a list or a mapping should be. A token may stand there: of text and numbers no more than that. */
function formOf(value: unknown): string {
  return typeof value === "object" ? describeValue(value) : "text";
}

function schemaOf(kind: ValueKind<unknown>): v.GenericSchema {
  return v.pipe(
    v.unknown(),
    v.rawTransform(({ dataset, addIssue, NEVER }) => {
      try {
        return kind.read(dataset.value);
      } catch (error) {
        if (!(error instanceof UnexpectedValueError)) throw error;
        addIssue({ message: error.explanation });
        return NEVER;
      }
    }),
  );
}

function parseYaml(path: string, text: string): unknown {
  try {
    // The core schema: no dates, no merging, so that what looks like text is text.
    return parse(text, { schema: "core" });
  } catch (error) {
    if (!(error instanceof SyntaxError)) {
      // The parser calls itself for what is inside, until the stack ends; and on a few odd tags, as `!!int` without a
      // number, it fails by itself. Either way it is the file that must be mended.
      const what = error instanceof RangeError ? "nested too deeply" : "not understood";
      throw new ConfigError(`${path}: ${what} (expected YAML)`);
    }
    // What it quotes, and the excerpt behind that, is text of the file: it could be a token, or steer a terminal.
    const said = error.message.replace(/[\s!]*["<].*$| at line \d+, column \d+.*$|\n.*$/s, "");
    const line = "line" in error && typeof error.line === "number" ? `:${error.line}` : "";
    throw new ConfigError(`${path}${line}: ${said} (expected YAML)`);
  }
}

function dotted(keys: YamlPath): string {
  return keys.map((key, i) => typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${oneWord(key)}`).join("");
}

function oneWord(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? key : quote(key);
}
