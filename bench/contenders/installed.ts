// Where the programs of a contender are, and what version they state. It knows no particular program.

import { toolPath } from "../../tests/support/tools.ts";

/** A program that is looked for under its name on the PATH, unless the environment variable of that name says where. */
export class Installed {
  readonly #name: string;
  readonly #variable: string;

  /** Names the program; the variable is its name in capitals. */
  constructor(name: string) {
    this.#name = name;
    this.#variable = name.toUpperCase();
  }

  /**
   * Its path.
   *
   * @throws {Error} If it is not there.
   */
  get path(): string {
    return toolPath(Deno.env.get(this.#variable) ?? this.#name);
  }

  /** Why it cannot be used; null when it can. */
  missing(): string | null {
    try {
      this.path;
      return null;
    } catch {
      return `There is no program "${this.#name}" on the PATH, and ${this.#variable} names none`;
    }
  }

  /**
   * The first match of a version number in what it writes when asked.
   *
   * @param args What asks it.
   */
  version(...args: string[]): Promise<string> {
    return versionOf(this.path, args);
  }
}

/** The first version number in what the program at `path` writes when asked with `args`. */
export async function versionOf(path: string, args: readonly string[]): Promise<string> {
  const command = new Deno.Command(path, { args: [...args], stdin: "null", signal: AbortSignal.timeout(10_000) });
  const { stdout, stderr } = await command.output();
  const text = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  return /(?:^|[\sv])(\d+\.\d+[\w.+-]*)/m.exec(text)?.[1] ?? "unknown";
}
