// The rules of the rooms: which may import which, and what a file in them may do. Pure functions over an import graph
// and over texts; how the graph and the texts are obtained is the test's business.

/** Who imports whom: paths relative to the repository's root, each with the paths that it imports. */
export type ImportGraph = ReadonlyMap<string, readonly string[]>;

const LIBRARY = ["ffi", "core/reactor", "core/protocol", "core/relay"] as const;
const SIDE = [...LIBRARY, "core/config", "core/logging", "core/supervisor"] as const;

/** For each room the other rooms that its files may import; what is not listed is forbidden. */
export const ALLOWED_IMPORTS: Readonly<Record<string, readonly string[]>> = {
  "ffi": [],
  "core/reactor": ["ffi"],
  "core/protocol": ["ffi", "core/reactor"],
  "core/relay": ["ffi", "core/reactor", "core/protocol"],
  "core/logging": ["core/reactor"],
  "core/config": ["ffi", "core/reactor", "core/protocol", "core/logging"],
  "core/supervisor": ["ffi", "core/reactor", "core/relay", "core/config", "core/logging"],
  // a folder of a side is a Worker, and no Worker's room knows another one's; policy is rules that several may ask
  "core/server/policy": ["ffi", "core/protocol", "core/config"],
  "core/server": [...SIDE, "core/server/policy"],
  "core/server/control": [...SIDE, "core/server/policy", "core/server"],
  "core/server/acceptor": [...SIDE, "core/server/policy", "core/server"],
  "core/server/relay": [...SIDE, "core/server/policy", "core/server"],
  "core/client": SIDE,
  "core/client/control": [...SIDE, "core/client"],
  "core/client/relay": [...SIDE, "core/client"],
  "server.ts": [...SIDE, "core/server"],
  "client.ts": [...SIDE, "core/client"],
};

/**
 * The room of the file `path`: its folder, `core/relay` for `core/relay/pipe_pool.ts`; a file of the root is its own room,
 * and `ffi/` and what is outside of the library have one each.
 */
export function roomOf(path: string): string {
  const folders = path.split("/");
  if (folders.length === 1) return path;
  return folders[0] === "core" ? folders.slice(0, -1).join("/") : folders[0];
}

/** The arrows of `graph` that point the wrong way, one sentence each. */
export function wrongArrows(graph: ImportGraph): string[] {
  const found: string[] = [];
  for (const [file, imports] of graph) {
    const room = roomOf(file);
    const allowed = ALLOWED_IMPORTS[room];
    if (allowed === undefined) {
      found.push(`${file} is in "${room}", which is no room of the architecture`);
      continue;
    }
    for (const imported of imports) {
      const target = roomOf(imported);
      if (target !== room && !allowed.includes(target)) {
        found.push(`${file} imports ${imported}: "${room}" must not know "${target}"`);
      }
    }
  }
  return found;
}

/** One import circle of `graph` in order, with its first file again at the end; empty if there is none. */
export function importCircle(graph: ImportGraph): string[] {
  const finished = new Set<string>();
  const path: string[] = [];
  const visit = (file: string): string[] => {
    const start = path.indexOf(file);
    if (start >= 0) return [...path.slice(start), file];
    if (finished.has(file)) return [];
    path.push(file);
    for (const imported of graph.get(file) ?? []) {
      const circle = visit(imported);
      if (circle.length > 0) return circle;
    }
    path.pop();
    finished.add(file);
    return [];
  };
  for (const file of graph.keys()) {
    const circle = visit(file);
    if (circle.length > 0) return circle;
  }
  return [];
}

/** The longest that a file of ffi/ or core/ may be, in lines: past 250 one looks for the second thing it does. */
export const MAX_LINES = 400;

/** What the file `path` of ffi/ or core/, or a program, does that its room forbids; one sentence each. */
export function wrongsOfFile(path: string, text: string): string[] {
  const found: string[] = [];
  const room = roomOf(path);
  const isProgram = room === path;
  const code = withoutComments(text);
  const lines = text.split("\n").length - 1;
  // `/// <reference` is for the compiler and says nothing to the reader.
  const head = text.replace(/^(\/\/\/.*\n|\s)+/, "");
  if (!head.startsWith("//") && !head.startsWith("/*")) {
    found.push(`${path} does not start with a comment that says what it is for`);
  }
  if (!isProgram && lines > MAX_LINES) found.push(`${path} has ${lines} lines, more than ${MAX_LINES}`);
  if (room !== "ffi" && /\bDeno\s*\.\s*dlopen\b/.test(code)) {
    found.push(`${path} calls Deno.dlopen, which only ffi/ may`);
  }
  const mayExit = isProgram || /^core\/((server|client)\/supervisor[^/]*|supervisor\/program\.ts)$/.test(path);
  if (!mayExit && /\bDeno\s*\.\s*exit\b/.test(code)) {
    found.push(`${path} uses Deno.exit, which only the programs and the supervisors may`);
  }
  if (/(\bfrom|\bimport\s*\(?)\s*"node:/.test(code)) {
    found.push(`${path} imports from node:, which costs each Worker 1.5 MiB and more`);
  }
  // deno-lint-ignore no-control-regex -- these are the characters of ASCII
  const strange = /[^\x00-\x7f]/.exec(text);
  if (strange !== null) {
    found.push(
      `${path} has a ${strange[0]}: V8 keeps a copy of a text that is not ASCII for each Worker, two bytes a letter`,
    );
  }
  return found;
}

/** Whether the name of the file `path` is in snake_case; a second suffix (`.test.ts`) is not. */
export function isSnakeCase(path: string): boolean {
  return /(^|\/)[a-z0-9]+(_[a-z0-9]+)*\.ts$/.test(path);
}

/** `text` without its comments; good enough to look for a call, not to compile it. */
function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, "").replaceAll(/(?<!:)\/\/.*$/gm, "");
}
