// Host names of one program alone: a file of its own in place of /etc/hosts, and a name server that nobody has seen.

import { toolPath } from "./tools.ts";

/** A name server beyond the router of a {@linkcode Network}, where nobody is (RFC 5737). */
const NAME_SERVER = "203.0.113.53";
/** Mounts the first two arguments over the system's files, in a mount namespace of its own, and becomes the rest. */
const SCRIPT = 'mount --bind "$1" /etc/hosts && mount --bind "$2" /etc/resolv.conf && shift 2 && exec "$@"';

/** What names mean to a program that is started with its {@linkcode launcher}; `await using` removes the files. */
export class Names implements AsyncDisposable {
  readonly #hosts: string;
  readonly #resolver: string;

  private constructor(hosts: string, resolver: string) {
    this.#hosts = hosts;
    this.#resolver = resolver;
  }

  /** No name means anything, and to ask takes long. */
  static async make(): Promise<Names> {
    const [hosts, resolver] = [await Deno.makeTempFile(), await Deno.makeTempFile()];
    for (const path of [hosts, resolver]) await Deno.chmod(path, 0o644);
    await Deno.writeTextFile(resolver, `nameserver ${NAME_SERVER}\n`);
    return new Names(hosts, resolver);
  }

  /** Goes in front of a program's command line; needs root. */
  get launcher(): string[] {
    return [toolPath("unshare"), "--mount", toolPath("sh"), "-c", SCRIPT, "sh", this.#hosts, this.#resolver];
  }

  /** From now on each of these names means its address, and no other name means anything. */
  async setAll(addresses: Readonly<Record<string, string>>): Promise<void> {
    const lines = Object.entries(addresses).map(([host, address]) => `${address} ${host}\n`);
    await Deno.writeTextFile(this.#hosts, lines.join(""));
  }

  /** From now on `host` means `address`, and no other name means anything. */
  async set(host: string, address: string): Promise<void> {
    await this.setAll({ [host]: address });
  }

  /** From now on no name means anything. */
  async clear(): Promise<void> {
    await Deno.writeTextFile(this.#hosts, "");
  }

  /** Removes the files. */
  async [Symbol.asyncDispose](): Promise<void> {
    await Deno.remove(this.#hosts);
    await Deno.remove(this.#resolver);
  }
}
