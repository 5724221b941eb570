// Log records on a real stderr: every test runs a program that logs.

import { formatJson, formatText } from "../core/logging/log_line.ts";
import type { LogFields, LogLevel } from "../core/reactor/log_record.ts";
import { assert, assertEquals, assertMatch } from "./support/assert.ts";

const LOGGING = new URL("../core/logging/logging.ts", import.meta.url).href;
const ERROR_OUTPUT = new URL("../ffi/error_output.ts", import.meta.url).href;
const IMPORTS = `
  import { log, startLogging } from ${JSON.stringify(LOGGING)};
  import { openErrorOutput } from ${JSON.stringify(ERROR_OUTPUT)};
`;
const TIME_MS = Date.UTC(2026, 0, 2, 3, 4, 5, 678);

function textOf(level: LogLevel, message: string, fields: LogFields = {}): string {
  return formatText({ timeMs: TIME_MS, level, message, fields });
}

/** Runs a program whose stderr `sh` redirects; gives what it wrote to both outputs and its exit status. */
async function run(body: string, redirect = ""): Promise<{ code: number; stdout: string; stderr: string }> {
  const source = `${IMPORTS}${body}`;
  const output = await new Deno.Command("sh", {
    args: ["-c", `exec "$0" eval --quiet "$1" ${redirect}`, Deno.execPath(), source],
    cwd: new URL("..", import.meta.url),
    env: { NO_COLOR: "1" },
    signal: AbortSignal.timeout(20_000),
  }).output();
  const decoder = new TextDecoder();
  return { code: output.code, stdout: decoder.decode(output.stdout), stderr: decoder.decode(output.stderr) };
}

Deno.test("a text line has the time, the level, the message and the fields", () => {
  const fields = { tunnel: "web", address: "[::1]:9000", key2: "value with space", n: 3, ok: true };
  assertEquals(
    textOf("info", "Tunnel opened", fields),
    '2026-01-02T03:04:05.678Z INFO  Tunnel opened tunnel=web address=[::1]:9000 key2="value with space" n=3 ok=true',
  );
});

Deno.test("the levels have the same width", () => {
  const levels = (["debug", "info", "warning", "error"] as const).map((level) => textOf(level, "m").slice(25));
  assertEquals(levels, ["DEBUG m", "INFO  m", "WARN  m", "ERROR m"]);
});

Deno.test("no text can look like a second line, a second field or a command to the terminal", () => {
  const line = textOf("info", "a\nb\x1b[2J", {
    f: "x\r\n2026 ERROR y",
    g: "1 h=2",
    i: 'a"b',
    j: "",
    k: "\u009b\u202e\ud800",
  });
  assertEquals(
    line.slice(25),
    'INFO  a\\nb\\u001b[2J f="x\\r\\n2026 ERROR y" g="1 h=2" i="a\\"b" j="" k="\\u009b\\u202e\\ud800"',
  );
});

Deno.test("a JSON line has time, level, program and message in front of the fields, which cannot replace them", () => {
  const fields = { level: "fake", n: 3, text: "a\n\u009bb" };
  const line = formatJson({ timeMs: TIME_MS, level: "warning", message: "m", fields }, "cproxy-server");
  assertEquals(
    line,
    '{"time":"2026-01-02T03:04:05.678Z","level":"warning","program":"cproxy-server","message":"m","n":3,' +
      '"text":"a\\n\\u009bb"}',
  );
});

Deno.test("records of the chosen level and above go to stderr, and nothing to stdout", async () => {
  const { code, stdout, stderr } = await run(`
    startLogging({ level: "warning", format: "json", program: "p", write: openErrorOutput() });
    for (const level of ["debug", "info", "warning", "error"]) log(level, "Braces {level} stay", { n: 1 });
  `);
  assertEquals([code, stdout], [0, ""]);
  const records = stderr.trimEnd().split("\n").map((line) => JSON.parse(line));
  assertEquals(records.map(({ time: _, ...record }) => record), [
    { level: "warning", program: "p", message: "Braces {level} stay", n: 1 },
    { level: "error", program: "p", message: "Braces {level} stay", n: 1 },
  ]);
  assertMatch(records[0].time, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
});

Deno.test("a record is written before the program can exit", async () => {
  const { code, stderr } = await run(`
    startLogging({ level: "debug", format: "text", program: "p", write: openErrorOutput() });
    log("error", "Last words");
    Deno.exit(3);
  `);
  assertEquals(code, 3);
  assertMatch(stderr, /^\S+Z ERROR Last words\n$/);
});

Deno.test("logging can be started again with another level and format", async () => {
  const { stderr } = await run(`
    startLogging({ level: "error", format: "text", program: "p", write: openErrorOutput() });
    log("info", "dropped");
    startLogging({ level: "info", format: "json", program: "p", write: openErrorOutput() });
    log("info", "kept");
  `);
  assertEquals(JSON.parse(stderr).message, "kept");
});

const LOG_A_LOT = `
  startLogging({ level: "info", format: "text", program: "p", write: openErrorOutput() });
  for (let i = 0; i < 200; i++) log("info", "x".repeat(1000));
  console.log("still there");
`;

for (const [what, redirect] of [["closed", "2>&-"], ["on a full disk", "2>/dev/full"]] as const) {
  Deno.test(`a stderr that is ${what} stops nobody`, async () => {
    assertEquals(await run(LOG_A_LOT, redirect), { code: 0, stdout: "still there\n", stderr: "" });
  });
}

/** A program that logs a lot once its stdin is closed, and its outputs. */
function startLoggingALot(body: string): Deno.ChildProcess {
  return new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", `${IMPORTS}const line = () => Deno.stdin.readSync(new Uint8Array(9));\n${body}`],
    cwd: new URL("..", import.meta.url),
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
}

Deno.test("a stderr whose reader has gone stops nobody", async () => {
  const child = startLoggingALot(`line();\n${LOG_A_LOT}`);
  await child.stderr.cancel();
  await child.stdin.close();
  const [status, stdout] = await Promise.all([child.status, new Response(child.stdout).text()]);
  assertEquals(status.code, 0);
  assertEquals(stdout, "still there\n");
});

Deno.test("a stderr that nobody reads stops nobody, and says what it lost when somebody does", async () => {
  const child = startLoggingALot(`${LOG_A_LOT}; line(); log("error", "Last words")`);
  const stdout = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  assertEquals(await stdout.read(), { value: "still there\n", done: false });
  const stderr = new Response(child.stderr).text();
  // what a pipe holds is read in one go; a moment later there is room
  await new Promise((resolve) => setTimeout(resolve, 200));
  await child.stdin.close();
  const lines = (await stderr).trimEnd().split("\n");
  assertMatch(lines.at(-1)!, /ERROR Last words$/);
  const written = lines.filter((line) => / INFO {2}x+$/.test(line)).length;
  // Deno reads a first piece by itself, which may be in the middle of it
  const losses = lines.map((line) => Number(/WARN {2}Log lines were lost lines=(\d+)$/.exec(line)?.[1] ?? 0));
  assertEquals(losses.reduce((a, b) => a + b), 200 - written);
  assert(written < 200);
  await stdout.cancel();
  assertEquals((await child.status).code, 0);
});
