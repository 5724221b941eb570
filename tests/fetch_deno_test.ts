// tools/deno fetches Deno where there is none, with an npm that only looks like one.

import { assertEquals } from "./support/assert.ts";

/** Packs a "Deno" that says its version, after as many seconds as the file `slow` says. */
const NPM = `#!/bin/sh
sleep "$(cat "$SLOW")"
mkdir package
printf '#!/bin/sh\\necho deno 2.9.6\\n' > package/deno
chmod 755 package/deno
tar czf deno-linux-any-glibc-2.9.6.tgz package
`;

Deno.test("two programs that fetch Deno at the same time use one, and neither takes it from under the other", async () => {
  const root = await Deno.makeTempDir();
  try {
    await Deno.mkdir(`${root}/tools`);
    await Deno.mkdir(`${root}/bin`);
    await Deno.copyFile(new URL("../tools/deno", import.meta.url), `${root}/tools/deno`);
    await Deno.writeTextFile(`${root}/bin/npm`, NPM, { mode: 0o755 });
    const fetchAfter = async (seconds: string) => {
      const slow = `${root}/slow${seconds}`;
      await Deno.writeTextFile(slow, seconds);
      const { code, stdout } = await new Deno.Command(`${root}/tools/deno`, {
        args: ["--path"],
        clearEnv: true,
        env: { PATH: `${root}/bin:/usr/bin:/bin`, SLOW: slow },
      }).output();
      assertEquals(code, 0);
      const { ino } = await Deno.stat(new TextDecoder().decode(stdout).trim());
      return ino;
    };
    const [first, second] = await Promise.all([fetchAfter("0"), fetchAfter("1")]);
    assertEquals(second, first);
    assertEquals([...Deno.readDirSync(`${root}/.deno`)].map(({ name }) => name), ["2.9.6"]);
  } finally {
    await Deno.remove(root, { recursive: true });
  }
});
