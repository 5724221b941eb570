// The YAML of a configuration file: from text to a tree of texts, lists and mappings, each with its place. All that YAML
// reads otherwise than a person does is refused with its line. It knows no setting.

import {
  COLLECTION_STYLE,
  type Event,
  EVENT_ID,
  getScalarValue,
  parseEvents,
  SCALAR_STYLE,
  YAMLException,
} from "js-yaml";
import { ConfigError, quote, unseenCharacter } from "./config_error.ts";

/** The way to a value: keys of mappings, and indices of lists counted from 0. */
export type YamlPath = readonly (string | number)[];

/**
 * A value of the file; `at` is where it starts, in UTF-16 units from the start of the text. A scalar is the text that
 * stands there, whatever it looks like: `0100`, `on`, `1e3` and `12:30` are these letters, and `null` is no value.
 */
export type YamlNode =
  | { readonly kind: "text"; readonly at: number; readonly text: string | null }
  | { readonly kind: "list"; readonly at: number; readonly items: readonly YamlNode[] }
  | { readonly kind: "mapping"; readonly at: number; readonly entries: ReadonlyMap<string, YamlEntry> };

/** A key of a mapping, where it starts, and its value. */
export type YamlEntry = { readonly at: number; readonly value: YamlNode };

/** Collections in one another: a configuration has three. */
const MAX_DEPTH = 20;

/** One parsed file. */
export class YamlTree {
  /** Its value; a file without one is an empty mapping. */
  readonly root: YamlNode;
  readonly #path: string;
  readonly #text: string;
  readonly #events: readonly Event[];
  /** How many events are read. */
  #next = 0;

  /**
   * Reads a text.
   *
   * @param path The name of its file in messages.
   * @throws {ConfigError} On the first mistake: one line with the file, the line and what to write.
   */
  constructor(path: string, text: string) {
    this.#path = path;
    // Windows editors begin a file with a byte order mark; and YAML wants the bracket that closes further to the right than
    // people write it
    this.#text = text.replace(/^\ufeff/, "").replace(/^ *(?=[\]}])/gm, "$&  ");
    this.#refuseUnseen();
    this.#events = this.#parse();
    this.#refuseDocuments();
    this.#next = 1;
    this.root = this.#events.length === 0 ? emptyMapping() : this.#read([]);
    if (this.root.kind === "text" && this.root.text === null) this.root = emptyMapping();
  }

  /** Names a place for an error message, such as `client.yaml:7: tunnels[1].remote_port`: the nearest one that is there. */
  placeOf(path: YamlPath): string {
    let node: YamlNode | undefined = this.root;
    let at = 0;
    for (const step of path) {
      const entry: YamlEntry | undefined = node?.kind === "mapping" ? node.entries.get(String(step)) : undefined;
      node = entry?.value ?? (node?.kind === "list" ? node.items[Number(step)] : undefined);
      if (node === undefined) break;
      at = entry?.at ?? node.at;
    }
    return this.#place(at, path);
  }

  #place(at: number, path: YamlPath): string {
    const keys = path.map((key, i) => typeof key === "number" ? `[${key}]` : `${i === 0 ? "" : "."}${oneWord(key)}`);
    return `${this.#path}:${this.#lineOf(at)}${path.length === 0 ? "" : ": "}${keys.join("")}`;
  }

  #lineOf(at: number): number {
    return this.#text.slice(0, at).split(/\r\n|\r|\n/).length;
  }

  #mistake(at: number, path: YamlPath, said: string): ConfigError {
    return new ConfigError(`${this.#place(at, path)}: ${said}`);
  }

  /** Refuses what looks like a blank and is none: it would be a part of a key or a value, or end an indentation. */
  #refuseUnseen(): void {
    for (const [index, line] of this.#text.split(/\r\n|\r|\n/).entries()) {
      const shown = line.replace(/(?:^|[ \t])#.*$/, "");
      if (shown.trim() === "") continue;
      const place = `${this.#path}:${index + 1}`;
      if (/^ *\t/.test(shown)) throw new ConfigError(`${place}: expected spaces at the start of the line, got a tab`);
      const unseen = unseenCharacter(shown.replaceAll("\t", " "));
      if (unseen !== null) throw new ConfigError(`${place}: expected characters that one can see, got ${unseen}`);
    }
  }

  #parse(): Event[] {
    try {
      return parseEvents(this.#text, { maxDepth: MAX_DEPTH });
    } catch (error) {
      if (!(error instanceof YAMLException) || error.mark === undefined) throw error;
      const { position } = error.mark;
      throw this.#mistake(position, [], `${this.#explained(error.reason, position)} (expected YAML)`);
    }
  }

  /** What the parser says, without what it quotes of the file: that could be a token, or steer a terminal. */
  #explained(reason: string, position: number): string {
    const before = this.#text.slice(0, position).split(/[\r\n]/).at(-1)!;
    const line = before + this.#text.slice(position).split(/[\r\n]/, 1)[0];
    if (/(?:^|[\s[{,])(?:[0-9a-f]{0,4}:){2,}|\[[0-9a-f.:]*:[0-9a-f.:%]*\]:\d/i.test(line)) {
      return 'expected quotes around an IPv6 address, as in "[::1]:3000"';
    }
    if (reason.startsWith("bad indentation")) {
      if (/^\s*(?:- +)?[a-z_]+:[^\s/]/.test(this.#lineBefore(position))) {
        return "expected a blank behind the colon in the line before";
      }
      return /^[^:]*$/.test(before)
        ? "expected the same indentation as that of the entry before"
        : `expected quotes around a value with ": " in it or a special character in front`;
    }
    if (/:\s+(["'])(?:(?!\1).)*$/.test(this.#lineBefore(position))) {
      return "expected a quote at the end of the value in the line before";
    }
    if (reason.startsWith("deficient indentation")) return "expected more blanks in front of what a bracket has opened";
    return reason.replace(/(?: "|: |<).*$/s, "");
  }

  /** The line in front of the one that `position` is in. */
  #lineBefore(position: number): string {
    return this.#text.slice(0, position).split(/\r\n|\r|\n/).at(-2) ?? "";
  }

  /** A second document would be dropped; a directive might promise another YAML. */
  #refuseDocuments(): void {
    const documents = this.#events.filter((event) => event.type === EVENT_ID.DOCUMENT);
    const lines = this.#text.split(/\r\n|\r|\n/);
    const lineOf = (pattern: RegExp, number: number) => {
      const found = [...lines.keys()].filter((index) => pattern.test(lines[index]!));
      return (found[number] ?? found.at(-1) ?? 0) + 1;
    };
    const first = documents[0];
    if (first !== undefined && /^%/m.test(this.#text.split(/^---/m, 1)[0]!)) {
      throw new ConfigError(`${this.#path}:${lineOf(/^%/, 0)}: expected no line that begins with %`);
    }
    if (documents.length > 1) {
      const line = lineOf(/^---(?:\s|$)/, first!.type === EVENT_ID.DOCUMENT && first!.explicitStart ? 1 : 0);
      throw new ConfigError(`${this.#path}:${line}: expected one document, got a second one behind ---`);
    }
  }

  #read(path: YamlPath): YamlNode {
    const event = this.#events[this.#next++]!;
    switch (event.type) {
      case EVENT_ID.SCALAR:
        this.#refuseProperties(event, path);
        return { kind: "text", at: this.#startOf(event), text: this.#scalar(event, path) };
      case EVENT_ID.SEQUENCE: {
        this.#refuseProperties(event, path);
        const items: YamlNode[] = [];
        while (!this.#ends()) items.push(this.#read([...path, items.length]));
        return { kind: "list", at: event.start, items };
      }
      case EVENT_ID.MAPPING:
        this.#refuseProperties(event, path);
        return {
          kind: "mapping",
          at: event.start,
          entries: this.#entries(event.style === COLLECTION_STYLE.FLOW, path),
        };
      case EVENT_ID.ALIAS:
        throw this.#mistake(event.anchorStart, path, written("*", "aliases"));
      default:
        throw this.#mistake(0, path, "expected a value");
    }
  }

  /** Whether the list or mapping that is being read ends here; goes past its end. */
  #ends(): boolean {
    if (this.#events[this.#next]!.type !== EVENT_ID.POP) return false;
    this.#next++;
    return true;
  }

  #entries(flow: boolean, path: YamlPath): Map<string, YamlEntry> {
    const entries = new Map<string, YamlEntry>();
    while (!this.#ends()) {
      const { at, ...key } = this.#read(path);
      if (key.kind !== "text" || key.text === null) {
        throw this.#mistake(at, path, "expected a key in front of the colon");
      }
      const keyPath = [...path, key.text];
      const earlier = entries.get(key.text);
      if (key.text === "<<") {
        throw this.#mistake(at, path, "expected the keys themselves, got a merge key (<<), which is not read");
      }
      if (earlier !== undefined) {
        throw this.#mistake(at, keyPath, `expected once, got again what line ${this.#lineOf(earlier.at)} has`);
      }
      // {name:a} has one key for YAML, and no value
      if (flow && /^[a-f_]*[g-z_][a-z_]*:/.test(key.text)) {
        throw this.#mistake(at, path, "expected a blank behind the colon");
      }
      // [fe80::, ::1] has a key `fe80:` for YAML
      if (flow && key.text.includes(":")) {
        throw this.#mistake(at, path, 'expected quotes around an IPv6 address, as in "::1"');
      }
      entries.set(key.text, { at, value: this.#read(keyPath) });
    }
    return entries;
  }

  #scalar(event: Event & { type: typeof EVENT_ID.SCALAR }, path: YamlPath): string | null {
    const value = getScalarValue(this.#text, event);
    const { valueStart, valueEnd, style } = event;
    if (style === SCALAR_STYLE.LITERAL_BLOCK || style === SCALAR_STYLE.FOLDED_BLOCK) {
      const lines = this.#text.slice(valueStart, valueEnd).trim().split(/\r\n|\r|\n/);
      // two lines would become one, and a blank
      if (style === SCALAR_STYLE.FOLDED_BLOCK && lines.length > 1) {
        throw this.#goesOn(valueStart, path);
      }
      // an editor's line break at the end is no part of it
      return value.replace(/\n+$/, "");
    }
    if (/[\r\n]/.test(this.#text.slice(valueStart, valueEnd))) {
      throw this.#goesOn(valueStart, path);
    }
    if (style !== SCALAR_STYLE.PLAIN) return value;
    const start = this.#startOf(event);
    if (/^[ \t]*#[^\s#]/.test(this.#text.slice(Math.max(valueEnd, start)).split(/[\r\n]/, 1)[0]!)) {
      throw this.#mistake(
        start,
        path,
        "expected quotes around a value with a # in it, or a blank after the # of a comment",
      );
    }
    return /^(?:~|null|Null|NULL|)$/.test(value) ? null : value;
  }

  #goesOn(at: number, path: YamlPath): ConfigError {
    const next = this.#lineOf(at) + 1;
    return this.#mistake(at, path, `expected a value on one line, got one that goes on in line ${next}`);
  }

  /** Where a scalar starts; one that is missing has no place, and gets the end of what stands in front of it. */
  #startOf(event: Event & { type: typeof EVENT_ID.SCALAR }): number {
    if (event.valueStart >= 0) return event.valueStart;
    const key = this.#events[this.#next - 2];
    const end = key?.type === EVENT_ID.SCALAR ? key.valueEnd : 0;
    return end + Math.max(0, this.#text.slice(end, end + 2).search(/:/) + 1);
  }

  #refuseProperties(event: { anchorStart: number; tagStart: number }, path: YamlPath): void {
    if (event.anchorStart >= 0) throw this.#mistake(event.anchorStart, path, written("&", "anchors"));
    if (event.tagStart >= 0) throw this.#mistake(event.tagStart, path, written("!", "tags"));
  }
}

/** A node as plain data: text, `null`, an array or an object. */
export function plainOf(node: YamlNode): unknown {
  switch (node.kind) {
    case "text":
      return node.text;
    case "list":
      return node.items.map(plainOf);
    case "mapping":
      return Object.fromEntries([...node.entries].map(([key, { value }]) => [key, plainOf(value)]));
  }
}

function emptyMapping(): YamlNode {
  return { kind: "mapping", at: 0, entries: new Map() };
}

function written(sign: string, what: string): string {
  return `expected the value itself, in quotes if it begins with ${sign} (${what} are not read)`;
}

function oneWord(key: string): string {
  return /^[\w.-]{1,64}$/.test(key) ? key : quote(key);
}
