// The systemd units of examples/ as data. It knows the few rules of their text that they use, and no program.

/** Where they are. */
export const UNIT_FOLDER = new URL("../../examples/", import.meta.url);

/** The section [Service] of a unit. */
export class ServiceUnit {
  readonly #settings: [string, string][] = [];

  /** Reads a unit's text. */
  constructor(text: string) {
    let section = "";
    for (const line of text.split("\n")) {
      if (line === "" || line.startsWith("#")) continue;
      const heading = /^\[(\w+)\]$/.exec(line);
      const setting = /^(\w+)=(.*)$/.exec(line);
      if (heading !== null) section = heading[1];
      else if (setting === null) throw new Error(`Unknown line "${line}"`);
      else if (section === "Service") this.#settings.push([setting[1], setting[2]]);
    }
  }

  /** The values of a setting, in their order. */
  values(key: string): string[] {
    return this.#settings.filter(([name]) => name === key).map(([, value]) => value);
  }

  /** The credentials by name, each with the file that it comes from. */
  credentials(): Map<string, string> {
    return new Map(this.values("LoadCredential").map((value) => value.split(":") as [string, string]));
  }

  /** What is started: a path and its arguments, with credentials in `folder`. */
  command(folder: string): string[] {
    return this.values("ExecStart")[0].replaceAll("${CREDENTIALS_DIRECTORY}", folder).split(" ");
  }
}

/** The unit of a program. */
export function serviceUnit(program: "server" | "client"): ServiceUnit {
  return new ServiceUnit(Deno.readTextFileSync(new URL(`cproxy-${program}.service`, UNIT_FOLDER)));
}
