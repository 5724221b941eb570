// What the manual says about the programs and the tree is so.

import { CLIENT_PROGRAM } from "../core/config/client_config.ts";
import { settingsMarkdown } from "../core/config/help.ts";
import { SERVER_PROGRAM } from "../core/config/server_config.ts";
import { assert, assertEquals } from "./support/assert.ts";

const ROOT = new URL("../", import.meta.url);
const PAGES = ["README.md", ...[...Deno.readDirSync(new URL("docs/", ROOT))].map(({ name }) => `docs/${name}`)];

const textOf = (page: string) => Deno.readTextFileSync(new URL(page, ROOT));

for (const [side, program] of [["server", SERVER_PROGRAM], ["client", CLIENT_PROGRAM]] as const) {
  Deno.test(`docs/settings.md has the settings of the ${side} as --help explains them`, () => {
    const found = new RegExp(`<!-- settings: ${side} -->\n(.*?)<!-- /settings -->`, "s").exec(
      textOf("docs/settings.md"),
    );
    assertEquals(found?.[1].trim(), settingsMarkdown(program));
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
