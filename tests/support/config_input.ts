// What a configuration is loaded from in tests: arguments, an environment and files, all given by the test.

import { type ClientConfig, loadClientConfig } from "../../core/config/client_config.ts";
import { ConfigError } from "../../core/config/config_error.ts";
import type { Loaded } from "../../core/config/load.ts";
import { loadServerConfig, type ServerConfig } from "../../core/config/server_config.ts";
import { assert, assertEquals, assertThrows } from "./assert.ts";

/** Everything besides the command line. */
export interface Around {
  /** Environment variables. */
  env?: Record<string, string>;
  /** Files by path; others do not exist. */
  files?: Record<string, string>;
}

/** The server's configuration of these arguments. */
export function serverConfig(args: string[], around: Around = {}): ServerConfig {
  return configOf(loadServerConfig(args, environment(around), readFile(around)));
}

/** The client's configuration of these arguments. */
export function clientConfig(args: string[], around: Around = {}): ClientConfig {
  return configOf(loadClientConfig(args, environment(around), readFile(around)));
}

/** What the server says about these arguments; fails unless it is a user's mistake told in one line. */
export function serverMistake(args: string[], around: Around = {}): string {
  return mistakeOf(() => serverConfig(args, around));
}

/** What the client says about these arguments; fails unless it is a user's mistake told in one line. */
export function clientMistake(args: string[], around: Around = {}): string {
  return mistakeOf(() => clientConfig(args, around));
}

function configOf<C>(loaded: Loaded<C>): C {
  assert(loaded.kind === "run", `Got a text instead of a configuration: ${loaded.kind}`);
  return loaded.config;
}

function mistakeOf(load: () => unknown): string {
  const { message } = assertThrows(load, ConfigError);
  assertEquals(message.split("\n").length, 1, "A mistake is told in one line");
  return message;
}

function environment(around: Around): { get(name: string): string | undefined } {
  return { get: (name) => around.env?.[name] };
}

function readFile(around: Around): (path: string) => string {
  return (path) => {
    const text = around.files?.[path];
    if (text === undefined) throw new Deno.errors.NotFound(`No such file or directory (os error 2): open '${path}'`);
    return text;
  };
}
