// The YAML file: from text to checked values. It knows the form of a file and nothing of flags or of the environment.

import { ConfigError, describeValue, nearestName, UnexpectedValueError } from "./config_error.ts";
import type { SettingsList, SettingsTable } from "./setting.ts";
import type { ValueKind } from "./value_kind.ts";
import { plainOf, type YamlNode, type YamlPath, YamlTree } from "./yaml_tree.ts";

/** A file that was read and checked. */
export interface ConfigFile {
  /** Where it was found. */
  readonly path: string;
  /** The settings that it has, checked; settings that it leaves out are missing. */
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
  const tree = new YamlTree(path, text);
  const directory = path.slice(0, path.lastIndexOf("/") + 1);
  const reader = new Reader(tree, settings, list);
  const values = reader.file();
  return {
    path,
    values,
    list: reader.entries,
    placeOf: (keys) => tree.placeOf(keys),
    pathOf: (named) => named === null || named.startsWith("/") ? named : directory + named,
  };
}

/** Reads the nodes of one tree as settings, in the order in which they stand there. */
class Reader {
  /** The entries of the list, once it is read. */
  entries: Record<string, unknown>[] | null = null;
  readonly #tree: YamlTree;
  readonly #settings: SettingsTable;
  readonly #list: SettingsList | null;

  constructor(tree: YamlTree, settings: SettingsTable, list: SettingsList | null) {
    this.#tree = tree;
    this.#settings = settings;
    this.#list = list;
  }

  /** The settings of the file; settings that it leaves out are missing. */
  file(): Record<string, unknown> {
    const list = this.#list;
    const known = list === null ? Object.keys(this.#settings) : [...Object.keys(this.#settings), list.key];
    const values: Record<string, unknown> = {};
    for (const [key, value] of this.#pairs(this.#tree.root, [], known)) {
      if (key === list?.key) this.entries = this.#entries(value, list);
      else values[key] = this.#value(value, this.#settings[key]!, [key]);
    }
    return values;
  }

  #entries(node: YamlNode, { key, settings }: SettingsList): Record<string, unknown>[] {
    if (node.kind !== "list") throw this.#mistake([key], `expected a list, got ${formOf(node)}`);
    return node.items.map((item, i) => {
      const path = [key, i];
      const given = new Map(this.#pairs(item, path, Object.keys(settings)));
      return Object.fromEntries(
        Object.entries(settings).map(([name, setting]) => {
          const value = given.get(name);
          if (value !== undefined) return [name, this.#value(value, setting, [...path, name])];
          if (setting.required) {
            throw this.#mistake([...path, name], `expected ${setting.value.expected}, got nothing`);
          }
          return [name, setting.default === null ? null : setting.value.read(setting.default)];
        }),
      );
    });
  }

  /** The keys of a mapping and their values. */
  #pairs(node: YamlNode, path: YamlPath, known: readonly string[]): [string, YamlNode][] {
    if (node.kind !== "mapping") {
      throw this.#mistake(path, `expected keys with values, as in "${known[0]}: \u2026", got ${formOf(node, known)}`);
    }
    for (const key of node.entries.keys()) {
      if (!known.includes(key)) throw this.#mistake([...path, key], `unknown key, ${this.#advice(key, path, known)}`);
    }
    return [...node.entries].map(([key, { value }]) => [key, value]);
  }

  #advice(key: string, path: YamlPath, known: readonly string[]): string {
    const list = this.#list;
    if (key.startsWith("-")) return "expected a blank behind the hyphen";
    if (path.length > 0 && Object.hasOwn(this.#settings, key)) {
      return "expected outside of the list, without indentation";
    }
    if (path.length === 0 && list !== null && Object.hasOwn(list.settings, key)) {
      return `expected in an entry of the list, as in "${list.key}: [{ ${key}: ${list.settings[key]!.example} }]"`;
    }
    const meant = nearestName(key, known);
    return meant === undefined ? `expected one of ${known.join(", ")}` : `did you mean ${meant}`;
  }

  #value(node: YamlNode, { value: kind }: { value: ValueKind<unknown> }, path: YamlPath): unknown {
    try {
      return kind.read(plainOf(node));
    } catch (error) {
      if (!(error instanceof UnexpectedValueError)) throw error;
      throw this.#mistake(path, error.explanation);
    }
  }

  #mistake(path: YamlPath, said: string): ConfigError {
    return new ConfigError(`${this.#tree.placeOf(path)}: ${said}`);
  }
}

/** What stands where a list or a mapping should be. A token may stand there: of text no more than that. */
function formOf(node: YamlNode, known: readonly string[] = []): string {
  const value = plainOf(node);
  if (typeof value !== "string") return describeValue(value);
  return known.some((key) => value.startsWith(`${key}:`)) ? "text without a blank behind a colon" : "text";
}
