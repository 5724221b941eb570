// What can be seen of a running program from outside: its descriptors, and what it counts. It knows no test.

import type { Program } from "./program.ts";

/** How many descriptors a process holds, by kind: `socket`, `pipe`, `eventfd`, ... */
export type Descriptors = Readonly<Record<string, number>>;

/** The descriptors of the process `pid` of the same user. */
export function descriptorsOf(pid: number): Descriptors {
  const kinds: Record<string, number> = {};
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    let target: string;
    try {
      target = Deno.readLinkSync(`/proc/${pid}/fd/${name}`);
    } catch (error) {
      if (error instanceof Deno.errors.NotFound) continue; // closed in the meantime
      throw error;
    }
    const kind = /^(?:anon_inode:)?\[?(\w+)/.exec(target)?.[1] ?? "file";
    kinds[kind] = (kinds[kind] ?? 0) + 1;
  }
  return kinds;
}

/** How many TCP sockets the process `pid` of the same user holds; Deno's own sockets, which come and go, are none. */
export function tcpSocketsOf(pid: number): number {
  const inodes = new Set<string>();
  for (const family of ["tcp", "tcp6"]) {
    // The inode is the 10th field (proc(5)).
    const lines = Deno.readTextFileSync(`/proc/${pid}/net/${family}`).trim().split("\n").slice(1);
    for (const line of lines) inodes.add(line.trim().split(/\s+/)[9]);
  }
  let count = 0;
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`))?.[1];
      if (inode !== undefined && inodes.has(inode)) count++;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // closed in the meantime
    }
  }
  return count;
}

/**
 * Waits until `condition` holds for what `look` sees, looking ten times a second: /proc raises no event.
 *
 * @returns What was seen last.
 * @throws {Error} If it does not hold within `limit` milliseconds; the message has `what` and what was seen last.
 */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  condition: (seen: T) => boolean,
  limit = 30_000,
): Promise<T> {
  const deadline = performance.now() + limit;
  for (;;) {
    const seen = await look();
    if (condition(seen)) return seen;
    if (performance.now() > deadline) {
      throw new Error(`Not within ${limit} ms: ${what}; it was ${JSON.stringify(seen)}`);
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What the relay Workers of a program have counted so far, by name; the program logs it when it gets SIGUSR2. */
export async function countersOf(program: Program): Promise<Readonly<Record<string, number>>> {
  const logged = program.nextLine(/ Counters((?: \w+=\d+)+)$/);
  program.kill("SIGUSR2");
  return numbersOf((await logged)[1]);
}

/**
 * What the relay Workers of a program have counted so far for each of some tunnels that are up or have sessions, by
 * their public addresses.
 */
export async function tunnelCountersOf(
  program: Program,
  addresses: readonly string[],
): Promise<Readonly<Record<string, number>>[]> {
  const logged = addresses.map((address) =>
    program.nextLine(
      new RegExp(` Tunnel counters .* public=${address.replaceAll(".", "\\.")} .* up=\\w+((?: \\w+=\\d+)+)$`),
    )
  );
  program.kill("SIGUSR2");
  return (await Promise.all(logged)).map(([, fields]) => numbersOf(fields));
}

function numbersOf(fields: string): Record<string, number> {
  return Object.fromEntries(
    fields.trim().split(" ").map((field) => {
      const [name, value] = field.split("=");
      return [name, Number(value)];
    }),
  );
}

/** The states of TCP that tests look for, as /proc/net/tcp writes them. */
const TCP_STATES = { "CLOSE_WAIT": "08", "FIN_WAIT2": "05" } as const;

/** How many TCP connections of the process `pid`, of the same user and network, are in a state. */
export function connectionsIn(state: keyof typeof TCP_STATES, pid: number): number {
  const inodes = new Set<string>();
  for (const { name } of Deno.readDirSync(`/proc/${pid}/fd`)) {
    try {
      const inode = /^socket:\[(\d+)\]$/.exec(Deno.readLinkSync(`/proc/${pid}/fd/${name}`));
      if (inode !== null) inodes.add(inode[1]);
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error; // closed in the meantime
    }
  }
  const rows = Deno.readTextFileSync(`/proc/${pid}/net/tcp`).trim().split("\n").slice(1);
  return rows.map((row) => row.trim().split(/\s+/)).filter((fields) =>
    fields[3] === TCP_STATES[state] && inodes.has(fields[9])
  ).length;
}

/** The children of the process `pid`, the dead ones that nobody has waited for included. */
export function childrenOf(pid: number): number[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].flatMap(({ name }) => {
    const children = Deno.readTextFileSync(`/proc/${pid}/task/${name}/children`).trim();
    return children === "" ? [] : children.split(" ").map(Number);
  });
}
