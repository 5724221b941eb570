// The tables of docs/settings.md, made from the settings' definitions. Run by itself it writes them into that page.

import { CLIENT_PROGRAM } from "../../core/config/client_config.ts";
import type { Program } from "../../core/config/help.ts";
import { SERVER_PROGRAM } from "../../core/config/server_config.ts";
import { configFileSetting, type SettingsTable } from "../../core/config/setting.ts";

/** The page that has the tables. */
export const PAGE = new URL("../../docs/settings.md", import.meta.url);

/** Both programs by the name of their table. */
export const PROGRAMS = { server: SERVER_PROGRAM, client: CLIENT_PROGRAM } as const;

/** Where the table of a side stands: before it, in it, after it. */
export function partOfPage(side: string): RegExp {
  return new RegExp(`(<!-- settings: ${side} -->\\n)(.*?)(<!-- /settings -->)`, "s");
}

/** The settings of a program in Markdown, in the order of \`--help\`. */
export function settingsTable({ settings, list }: Program): string {
  const entry = (asFlags: boolean) =>
    list === null || list.asFlags !== asFlags ? [] : rows(list.settings, asFlags, (key) => `${list.key}[].${key}`);
  return [
    "| flag | YAML key | value | default | meaning |",
    "| --- | --- | --- | --- | --- |",
    ...rows({ config: configFileSetting }, true, () => null),
    ...entry(true),
    ...rows(settings, true, (key) => key),
    ...entry(false),
  ].join("\n");
}

function rows(settings: SettingsTable, isFlag: boolean, yamlKey: (key: string) => string | null): string[] {
  return Object.entries(settings).map(([key, { value, meaning, default: fallback, defaultText }]) => {
    const inYaml = yamlKey(key);
    const cells = [
      isFlag ? `\`--${key}=${value.placeholder}\`` : "",
      inYaml === null ? "" : `\`${inYaml}\``,
      value.expected,
      defaultText ?? fallback ?? "none",
      meaning,
    ];
    return `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  });
}

if (import.meta.main) {
  let page = Deno.readTextFileSync(PAGE);
  for (const [side, program] of Object.entries(PROGRAMS)) {
    page = page.replace(
      partOfPage(side),
      (_all, before, _table, after) => `${before}${settingsTable(program)}\n${after}`,
    );
  }
  Deno.writeTextFileSync(PAGE, page);
}
