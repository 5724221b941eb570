// The YAML file: from text to checked values. It knows the form of a file and nothing of flags or of the environment.

import { parse as untypedParse } from "@std/yaml/parse";
import * as v from "valibot";
import { ConfigError, describeValue, quote, UnexpectedValueError } from "./config_error.ts";
import { nearestName } from "./nearest_name.ts";
import type { SettingsTable } from "./setting.ts";
import type { ValueKind } from "./value_kind.ts";
import { lineOfYamlPath, type YamlPath } from "./yaml_line.ts";

/** The part of the standard library's `parse` that is used here; the npm package ships no types. */
const parse: (text: string, options: { schema: "core" }) => unknown = untypedParse;

/** The name of the list in a file, for a program that has one. */
export const LIST_KEY = "tunnels";

/** A file that was read and checked. */
export interface ConfigFile {
  /** Where it was found. */
  readonly path: string;
  /** The settings that it has, checked; those that it leaves out are missing. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The entries of its list, each complete with defaults; `null` if it has no list. */
  readonly list: readonly Readonly<Record<string, unknown>>[] | null;
  /** Names a place in it for an error message, such as `client.yaml:7: tunnels[1].remote_port`. */
  placeOf(path: YamlPath): string;
}

/**
 * Checks the text of a configuration file.
 *
 * @param path Its name in messages.
 * @param settings The keys that it may have.
 * @param listSettings The keys of an entry of `tunnels`, or `null` if there is no such list.
 * @throws {ConfigError} On the first mistake: one line with the file, the line, the key and what is expected.
 */
export function readConfigFile(
  path: string,
  text: string,
  settings: SettingsTable,
  listSettings: SettingsTable | null,
): ConfigFile {
  const placeOf = (keys: YamlPath) =>
    `${path}:${lineOfYamlPath(text, keys)}${keys.length === 0 ? "" : ": "}${dotted(keys)}`;
  const entries: v.ObjectEntries = {};
  for (const [key, setting] of Object.entries(settings)) entries[key] = v.optional(schemaOf(setting.value));
  if (listSettings !== null) entries[LIST_KEY] = v.optional(v.array(listEntrySchema(listSettings)));
  // A file of comments only is a file without settings.
  const checked = v.safeParse(v.strictObject(entries), parseYaml(path, text) ?? {}, { abortEarly: true });
  if (!checked.success) {
    const issue = checked.issues[0];
    const keys = (issue.path ?? []).map((item) => item.key as string | number);
    const known = keys.length > 1 ? listSettings ?? {} : entries;
    throw new ConfigError(`${placeOf(keys)}: ${explain(issue, keys, Object.keys(known), listSettings)}`);
  }
  const { [LIST_KEY]: list, ...values } = checked.output as Record<string, unknown>;
  return { path, values, list: (list ?? null) as ConfigFile["list"], placeOf };
}

function listEntrySchema(settings: SettingsTable): v.GenericSchema {
  const entries: v.ObjectEntries = {};
  for (const [key, { value, default: fallback }] of Object.entries(settings)) {
    entries[key] = fallback === null ? schemaOf(value) : v.optional(schemaOf(value), fallback);
  }
  return v.strictObject(entries);
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
    if (!(error instanceof SyntaxError)) throw error;
    // The message goes on with an excerpt, which could show a token; so could what it quotes.
    const said = error.message.replace(/( at line \d+, column \d+)?:?\n.*$/s, "").replace(
      / at line \d+, column \d+.*$/s,
      "",
    );
    const line = "line" in error && typeof error.line === "number" ? `:${error.line}` : "";
    throw new ConfigError(`${path}${line}: ${said.replace(/\s*"[^"]*"|<[^>]*>/g, "")} (expected YAML)`);
  }
}

function explain(
  issue: v.BaseIssue<unknown>,
  keys: YamlPath,
  known: readonly string[],
  listSettings: SettingsTable | null,
): string {
  const last = keys.at(-1);
  switch (issue.type) {
    case "strict_object": {
      if (issue.expected === "never") {
        const meant = nearestName(String(last), known);
        return meant === undefined
          ? `unknown key, expected one of ${known.join(", ")}`
          : `unknown key, did you mean ${meant}`;
      }
      const missing = issue.expected === quote(String(last)) ? listSettings?.[last!] : undefined;
      if (missing !== undefined) return `expected ${missing.value.expected}, got nothing`;
      // Of text only that it is some: a token file given as the configuration would be shown.
      const got = typeof issue.input === "string" ? "text" : describeValue(issue.input);
      return `expected keys with values, as in "${known[0]}: …", got ${got}`;
    }
    case "array":
      return `expected a list, got ${describeValue(issue.input)}`;
    default:
      return issue.message;
  }
}

function dotted(keys: YamlPath): string {
  return keys.map((key, i) => typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${oneWord(key)}`).join("");
}

function oneWord(key: string): string {
  return /^[\w.-]+$/.test(key) ? key : quote(key);
}
