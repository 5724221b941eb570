// Looks whether other users may read or change a file with a token. It never reads such a file.
import { log } from "../logging/logging.ts";

/** Reading and writing, for group and others. */
const OPEN_TO_OTHERS = 0o066;
/** Where systemd keeps credentials: readable by their service alone, by an ACL that the mode shows as rights of a group. */
const CREDENTIALS = "/run/credentials/";

/**
 * Warns of files that other users may read or change. Each has a line with its mode and the right mode.
 *
 * @param paths Files that have a token in them.
 */
export function warnOfOpenFiles(paths: readonly string[]): void {
  for (const file of new Set(paths)) {
    const { isFile, mode } = Deno.statSync(file);
    if (!isFile || mode === null || (mode & OPEN_TO_OTHERS) === 0 || file.startsWith(CREDENTIALS)) continue;
    const octal = (mode & 0o777).toString(8).padStart(4, "0");
    log("warning", "Other users may read or change the token in a file", { file, mode: octal, right: "0600" });
  }
}
