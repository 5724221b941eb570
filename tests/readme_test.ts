// What the manual says about the programs and the tree is so.

import { assert, assertEquals } from "./support/assert.ts";
import { partOfPage, PROGRAMS, settingsTable } from "./support/settings_table.ts";

const ROOT = new URL("../", import.meta.url);
const PAGES = ["README.md", ...[...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`)];

const textOf = (page: string) => Deno.readTextFileSync(new URL(page, ROOT));

for (const [side, program] of Object.entries(PROGRAMS)) {
  Deno.test(`docs/settings.md has every setting of the ${side} as it is defined`, () => {
    const [, , table] = partOfPage(side).exec(textOf("docs/settings.md")) ?? [];
    assertEquals(table?.trim(), settingsTable(program), "Run tests/support/settings_table.ts, which writes the page");
  });
}

Deno.test("every make target that a page names exists", () => {
  const targets = new Set([...textOf("Makefile").matchAll(/^([a-z-]+):/gm)].map(([, target]) => target));
  for (const page of PAGES) {
    for (const [, quoted, indented] of textOf(page).matchAll(/`make ([a-z-]+)|^ *make ([a-z-]+)/gm)) {
      const target = quoted ?? indented;
      assert(targets.has(target), `${page} names "make ${target}"`);
    }
  }
});

Deno.test("every link of a page to a file of the tree leads to one", () => {
  for (const page of PAGES) {
    for (const [, link] of textOf(page).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
      const path = new URL(link, new URL(page, ROOT));
      let exists = true;
      try {
        Deno.statSync(path);
      } catch (error) {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
        exists = false;
      }
      assert(exists, `${page} links to "${link}"`);
    }
  }
});
