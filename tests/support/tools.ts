// The programs that tests use and that are not part of the project: whether they are there, and running one to its end.

/** Where tools are looked for: the PATH, and where those for administrators are and an ordinary user does not look. */
const FOLDERS = [...(Deno.env.get("PATH") ?? "").split(":"), "/usr/sbin", "/sbin"].filter((folder) => folder !== "");

/**
 * The path of the tool `name`.
 *
 * @throws {Error} If it is not installed.
 */
export function toolPath(name: string): string {
  for (const folder of FOLDERS) {
    try {
      const path = `${folder}/${name}`;
      const { isFile, mode } = Deno.statSync(path);
      if (isFile && (mode ?? 0) & 0o111) return path;
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory)) throw error;
    }
  }
  throw new Error(`The tool "${name}" that this test needs is not installed`);
}

/**
 * Whether a test that needs these tools is ignored: one is missing, and CPROXY_REQUIRE_TOOLS=1 does not say that then
 * it fails.
 */
export function ignoreWithout(...tools: readonly string[]): boolean {
  if (Deno.env.get("CPROXY_REQUIRE_TOOLS") === "1") return false;
  return tools.some((tool) => {
    try {
      toolPath(tool);
      return false;
    } catch {
      return true;
    }
  });
}

/**
 * Runs a tool to its end and gives what it wrote on stdout.
 *
 * @throws {Error} If it does not exit with 0 within `limit` milliseconds; the message has what it wrote.
 */
export async function runTool(name: string, args: readonly string[], limit: number): Promise<string> {
  const signal = AbortSignal.timeout(limit);
  const command = new Deno.Command(toolPath(name), { args: [...args], stdin: "null", signal });
  const { success, code, stdout, stderr } = await command.output();
  const [out, err] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
  if (success) return out;
  const how = signal.aborted ? `did not end within ${limit} ms` : `ended with ${code}`;
  throw new Error(`${name} ${args.join(" ")} ${how}; it wrote:\n${out}${err}`);
}
