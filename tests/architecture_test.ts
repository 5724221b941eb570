// Holds the tree to its architecture: the import graph as Deno sees it, and a few rules that a text shows.

import { assertEquals } from "./support/assert.ts";
import { importCircle, type ImportGraph, isSnakeCase, wrongArrows, wrongsOfFile } from "./support/architecture.ts";

const ROOT = new URL("../", import.meta.url);
const PROGRAMS = ["server.ts", "client.ts"];

/** The TypeScript files below `folder`, relative to the repository's root and sorted; none if it does not exist. */
function filesBelow(folder: string): string[] {
  const files: string[] = [];
  let entries: Deno.DirEntry[];
  try {
    entries = [...Deno.readDirSync(new URL(folder, ROOT))];
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return files;
    throw error;
  }
  for (const entry of entries) {
    if (entry.isDirectory) files.push(...filesBelow(`${folder}${entry.name}/`));
    else if (entry.name.endsWith(".ts")) files.push(`${folder}${entry.name}`);
  }
  return files.sort();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(new URL(path, ROOT)).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

const library = [...filesBelow("ffi/"), ...filesBelow("core/")];
const guarded = [...library, ...PROGRAMS.filter(exists)];

interface ModuleInfo {
  specifier: string;
  error?: string;
  dependencies?: { specifier: string; code?: { specifier?: string }; type?: { specifier?: string } }[];
}

/** The import graph of the guarded files, imports of types included, asked of Deno itself. */
async function importGraph(): Promise<ImportGraph> {
  // One module that imports every file, so that Workers, which no import names, and files that nothing uses are seen.
  const all = await Deno.makeTempFile({ suffix: ".ts" });
  try {
    await Deno.writeTextFile(all, guarded.map((file) => `import "${new URL(file, ROOT).href}";\n`).join(""));
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
      args: ["info", "--json", "--no-npm", "--config", new URL("deno.json", ROOT).pathname, all],
      env: { NO_COLOR: "1" },
    }).output();
    if (!success) throw new Error(`deno info failed: ${new TextDecoder().decode(stderr)}`);
    const { modules } = JSON.parse(new TextDecoder().decode(stdout)) as { modules: ModuleInfo[] };
    const graph = new Map<string, string[]>();
    for (const module of modules) {
      if (!module.specifier.startsWith(ROOT.href)) continue;
      if (module.error !== undefined) throw new Error(module.error);
      const imports = new Set<string>();
      for (const { code, type } of module.dependencies ?? []) {
        for (const target of [code?.specifier, type?.specifier]) {
          if (target?.startsWith(ROOT.href)) imports.add(target.slice(ROOT.href.length));
        }
      }
      graph.set(module.specifier.slice(ROOT.href.length), [...imports]);
    }
    return graph;
  } finally {
    await Deno.remove(all);
  }
}

const graph = await importGraph();

Deno.test("the import graph knows every file of the library and the programs", () => {
  assertEquals(guarded.filter((file) => !graph.has(file)), []);
});

Deno.test("every import points from a room to one below it", () => {
  assertEquals(wrongArrows(graph), []);
});

Deno.test("no imports form a circle", () => {
  assertEquals(importCircle(graph), []);
});

Deno.test("every file says what it is for, is short and ASCII, does without node:, and leaves dlopen and exit to whom they belong", () => {
  const wrongs = guarded.flatMap((file) => wrongsOfFile(file, Deno.readTextFileSync(new URL(file, ROOT))));
  assertEquals(wrongs, []);
});

Deno.test("every file name is in snake_case", () => {
  const files = [...guarded, ...["tests/", "bench/", "examples/"].flatMap(filesBelow)];
  assertEquals(files.filter((file) => !isSnakeCase(file)), []);
});

Deno.test("the checker finds an arrow that points the wrong way", () => {
  const madeUp: ImportGraph = new Map([
    ["server.ts", ["core/server/supervisor.ts"]],
    ["core/server/supervisor.ts", ["core/relay/relay.ts", "core/config/options.ts"]],
    ["core/config/options.ts", []],
    ["core/relay/relay.ts", ["ffi/libc.ts", "core/protocol/frame.ts"]],
    ["core/protocol/frame.ts", ["core/relay/relay.ts"]],
    ["ffi/libc.ts", []],
  ]);
  assertEquals(wrongArrows(madeUp), [
    'core/protocol/frame.ts imports core/relay/relay.ts: "core/protocol" must not know "core/relay"',
  ]);
});

Deno.test("the checker keeps server and client apart, on every level", () => {
  const madeUp: ImportGraph = new Map([
    ["client.ts", ["core/server/supervisor.ts"]],
    ["core/client/supervisor.ts", ["core/server/control/control.ts"]],
    ["core/server/control/control.ts", ["core/client/supervisor.ts"]],
  ]);
  assertEquals(wrongArrows(madeUp), [
    'client.ts imports core/server/supervisor.ts: "client.ts" must not know "core/server"',
    'core/client/supervisor.ts imports core/server/control/control.ts: "core/client" must not know "core/server/control"',
    'core/server/control/control.ts imports core/client/supervisor.ts: "core/server/control" must not know "core/client"',
  ]);
});

Deno.test("the checker keeps the Workers of one side apart, and policy from all Workers", () => {
  const madeUp: ImportGraph = new Map([
    ["core/server/acceptor/acceptor_worker.ts", ["core/server/relay/proxy_pool.ts", "core/server/policy/grant.ts"]],
    ["core/server/relay/relay_worker.ts", ["core/server/worker_config.ts", "core/server/control/control_map.ts"]],
    ["core/server/policy/grant.ts", ["core/server/control/control.ts", "core/reactor/event_loop.ts"]],
    ["core/server/supervisor.ts", ["core/server/control/control_map.ts"]],
  ]);
  assertEquals(wrongArrows(madeUp), [
    'core/server/acceptor/acceptor_worker.ts imports core/server/relay/proxy_pool.ts: "core/server/acceptor" must not know "core/server/relay"',
    'core/server/relay/relay_worker.ts imports core/server/control/control_map.ts: "core/server/relay" must not know "core/server/control"',
    'core/server/policy/grant.ts imports core/server/control/control.ts: "core/server/policy" must not know "core/server/control"',
    'core/server/policy/grant.ts imports core/reactor/event_loop.ts: "core/server/policy" must not know "core/reactor"',
    'core/server/supervisor.ts imports core/server/control/control_map.ts: "core/server" must not know "core/server/control"',
  ]);
});

Deno.test("the checker knows the rooms of the design and no others", () => {
  assertEquals(wrongArrows(new Map([["core/utils/all.ts", []]])), [
    'core/utils/all.ts is in "core/utils", which is no room of the architecture',
  ]);
  assertEquals(wrongArrows(new Map([["ffi/libc.ts", ["tests/support/assert.ts"]]])), [
    'ffi/libc.ts imports tests/support/assert.ts: "ffi" must not know "tests"',
  ]);
});

Deno.test("the checker finds a circle, also behind files that are in none", () => {
  const madeUp: ImportGraph = new Map([
    ["a.ts", ["b.ts", "c.ts"]],
    ["b.ts", ["e.ts"]],
    ["c.ts", ["d.ts"]],
    ["d.ts", ["e.ts", "c.ts"]],
    ["e.ts", []],
  ]);
  assertEquals(importCircle(madeUp), ["c.ts", "d.ts", "c.ts"]);
  assertEquals(importCircle(new Map([["a.ts", ["b.ts"]], ["b.ts", []], ["c.ts", ["b.ts"]]])), []);
});

Deno.test("the checker finds what a file must not do, and not what its comments say", () => {
  assertEquals(wrongsOfFile("core/relay/relay.ts", 'export const library = Deno.dlopen("libc.so.6", {});\n'), [
    "core/relay/relay.ts does not start with a comment that says what it is for",
    "core/relay/relay.ts calls Deno.dlopen, which only ffi/ may",
  ]);
  assertEquals(wrongsOfFile("core/server/control/control_worker.ts", "// Why.\nDeno.exit(1);\n"), [
    "core/server/control/control_worker.ts uses Deno.exit, which only the programs and the supervisors may",
  ]);
  assertEquals(wrongsOfFile("core/relay/relay.ts", `// Why.\n${"\n".repeat(400)}`), [
    "core/relay/relay.ts has 401 lines, more than 400",
  ]);
  assertEquals(wrongsOfFile("core/relay/relay.ts", '// Why.\nimport { Buffer } from "node:buffer";\n'), [
    "core/relay/relay.ts imports from node:, which costs each Worker 1.5 MiB and more",
  ]);
  assertEquals(wrongsOfFile("core/relay/relay.ts", "// PublicConn \u21c4 ProxyConn\n"), [
    "core/relay/relay.ts has a \u21c4: V8 keeps a copy of a text that is not ASCII for each Worker, two bytes a letter",
  ]);
  assertEquals(wrongsOfFile("ffi/libc.ts", '/** Why. */\nDeno.dlopen("libc.so.6", {});\n// Deno.exit\n'), []);
  assertEquals(wrongsOfFile("core/server/supervisor.ts", "/* Why. */\nDeno.exit(1);\n"), []);
});

Deno.test("the checker tells snake_case from other names", () => {
  const names = ["pipe_pool.ts", "core/relay/relay.ts", "pipePool.ts", "Pipe.ts", "pipe-pool.ts", "pipe__pool.ts"];
  assertEquals(names.filter(isSnakeCase), ["pipe_pool.ts", "core/relay/relay.ts"]);
});
