// tools/run_tests, which shows what the tests say while they run, and their numbers at the end.

import { assertEquals, assertMatch } from "./support/assert.ts";
import { ignoreWithout, toolPath } from "./support/tools.ts";

const RUN_TESTS = new URL("../tools/run_tests", import.meta.url).pathname;

Deno.test({
  name: "what the tests say is shown, also when the file that it goes to is opened late",
  ignore: ignoreWithout("strace"),
  async fn() {
    const folder = await Deno.makeTempDir({ prefix: "cproxy-" });
    try {
      const logs = `${folder}/logs`;
      const write = (name: string, text: string) => Deno.writeTextFile(`${folder}/${name}`, text, { mode: 0o755 });
      await write("a_test.ts", 'Deno.test("one", () => {});\nDeno.test("two", () => {});\n');
      // a folder whose files strace knows by their paths; tail is given another way to them, and so is not delayed
      await write("mktemp", `#!/bin/sh\nmkdir ${logs} && echo ${logs}\n`);
      const near = `logs=${logs}; near=${folder}/./logs`;
      await write("tail", `#!${toolPath("bash")}\n${near}\nexec ${toolPath("tail")} "\${@/#$logs/$near}"\n`);
      // the machine is so busy that opening the file takes a while
      const late = ["-f", "--quiet=all", "-o", "/dev/null", "--trace=openat", `--trace-path=${logs}/tests`];
      const { code, stdout, stderr } = await new Deno.Command(toolPath("strace"), {
        args: [...late, "--inject=openat:delay_enter=300ms", RUN_TESTS, "60", `${folder}/a_test.ts`],
        // not among the totals of whoever runs this
        env: { PATH: `${folder}:${Deno.env.get("PATH")}`, DENO: Deno.execPath(), CPROXY_TOTALS: "" },
        stdin: "null",
      }).output();
      const [said, errors] = [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes));
      assertEquals([code, errors], [0, ""]);
      assertMatch(said, /^one \.\.\. ok .*\ntwo \.\.\. ok .*\n/m);
      assertMatch(said, /\n2 passed, 0 failed\n$/);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});
