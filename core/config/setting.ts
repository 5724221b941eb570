// What a setting is, and the settings that both programs have. A program's table drives its flags, its YAML keys, its
// defaults, its help and its manual. It knows nothing of where a value comes from.

import { LOG_FORMATS, type LogFormat } from "../logging/log_line.ts";
import { LOG_LEVELS, type LogLevel } from "../reactor/log_record.ts";
import * as kinds from "./value_kind.ts";
import type { ValueKind } from "./value_kind.ts";

/** What every setting has: the values it takes, and what the help text and the manual say about it. */
export interface DescribedSetting<T> {
  /** What values it takes. */
  readonly value: ValueKind<T>;
  /** What it is for, as a sentence without its period. */
  readonly meaning: string;
  /** A value that shows how to write one. */
  readonly example: string;
  /** What the default is called where its text would mislead. */
  readonly defaultText?: string;
  /** Whether every entry of its list must have it. */
  readonly required?: true;
}

/** A setting that always has a value. */
export interface Setting<T> extends DescribedSetting<T> {
  /** The default, written as a user would. */
  readonly default: string;
}

/** A setting that may be left out; it is then `null`. */
export interface OptionalSetting<T> extends DescribedSetting<T> {
  /** There is none. */
  readonly default: null;
}

/** Settings by their name in snake_case: the flag without its hyphens, and the YAML key. */
export type SettingsTable = Readonly<Record<string, Setting<unknown> | OptionalSetting<unknown>>>;

/** A list in a program's file; each of its entries has the same settings. */
export interface SettingsList {
  /** Its key in the file. */
  readonly key: string;
  /** The settings of an entry. */
  readonly settings: SettingsTable;
  /** Whether they are flags as well, for a list of one entry. */
  readonly asFlags: boolean;
}

/** The values that a table of settings stands for. */
export type ValuesOf<S extends SettingsTable> = {
  [K in keyof S]: S[K] extends Setting<infer T> ? T : S[K] extends OptionalSetting<infer T> ? T | null : never;
};

/** The most worker threads that one program starts. */
const MAX_WORK_THREADS = 64;

/** `--config`, which no file can have. */
export const configFileSetting: OptionalSetting<string> = {
  value: kinds.filePath,
  default: null,
  meaning: "YAML file with the same settings; flags win over it",
  example: "/etc/cproxy/cproxy.yaml",
};

/** The settings that both programs have. */
export const commonSettings: {
  readonly work_thread_nums: Setting<number>;
  readonly token: OptionalSetting<string>;
  readonly token_file: OptionalSetting<string>;
  readonly drain_timeout: Setting<number>;
  readonly buffer_limit: OptionalSetting<number>;
  readonly half_close_timeout: Setting<number>;
  readonly heartbeat_interval: Setting<number>;
  readonly heartbeat_timeout: Setting<number>;
  readonly log_level: Setting<LogLevel>;
  readonly log_format: Setting<LogFormat>;
} = {
  work_thread_nums: {
    value: kinds.wholeNumber(1, MAX_WORK_THREADS),
    default: String(Math.min(Math.max(navigator.hardwareConcurrency, 1), MAX_WORK_THREADS)),
    defaultText: "number of cores",
    meaning: "Threads that carry data",
    example: "4",
  },
  token: {
    value: kinds.token,
    default: null,
    meaning:
      "Secret that server and client share. Other users of the host can see it in the list of processes: prefer " +
      "token_file or the environment variable CPROXY_TOKEN",
    example: "correct-horse-battery-staple",
  },
  token_file: {
    value: kinds.filePath,
    default: null,
    meaning:
      "File that holds the token, best with mode 0600; in YAML a relative path starts at the directory of the YAML file",
    example: "/etc/cproxy/token",
  },
  drain_timeout: {
    value: kinds.duration("0s", "60m"),
    default: "10s",
    meaning: "How long sessions may go on after SIGTERM or SIGINT",
    example: "30s",
  },
  buffer_limit: {
    value: kinds.wholeNumber(256, 1_048_576),
    default: null,
    defaultText: "what the kernel chooses",
    meaning:
      "About the most KiB that wait in this program for a slow receiver, for each direction of a connection; a low " +
      "limit saves memory and slows long lines down",
    example: "1024",
  },
  half_close_timeout: {
    value: kinds.duration("0s", "1440m"),
    default: "60m",
    meaning:
      "How long a connection that has ended in one direction may stand still in the other; then it is reset. A receiver " +
      "that pauses stands still as well. 0 is for ever",
    example: "10m",
  },
  heartbeat_interval: {
    value: kinds.duration("10ms", "30m"),
    default: "10s",
    meaning: "How often the other side is asked whether it is there",
    example: "5s",
  },
  heartbeat_timeout: {
    value: kinds.duration("100ms", "60m"),
    default: "25s",
    meaning: "How long the other side may be silent before it counts as gone; longer than heartbeat_interval",
    example: "15s",
  },
  log_level: {
    value: kinds.choice(LOG_LEVELS, { warn: "warning" }),
    default: "info",
    meaning: "The least severe level that is logged; debug has lines for every connection",
    example: "debug",
  },
  log_format: {
    value: kinds.choice(LOG_FORMATS),
    default: "text",
    meaning: "How log lines are written on stderr: for people, or one JSON object per line",
    example: "json",
  },
};
