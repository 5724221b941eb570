// What each setting accepts has two ends: the last values inside are taken, the first ones outside are refused.

import { UnexpectedValueError } from "../core/config/config_error.ts";
import { CLIENT_PROGRAM } from "../core/config/client_config.ts";
import { SERVER_PROGRAM } from "../core/config/server_config.ts";
import { assertThrows } from "./support/assert.ts";
import { endsOf } from "./support/setting_ends.ts";

for (const { name, settings, list } of [SERVER_PROGRAM, CLIENT_PROGRAM]) {
  for (const table of [settings, list!.settings]) {
    for (const key of Object.keys(table)) {
      Deno.test(`${name} takes ${key} from end to end, and not what is right outside`, () => {
        const { inside, outside } = endsOf(table, key);
        for (const text of inside) table[key].value.read(text);
        for (const text of outside) {
          assertThrows(() => table[key].value.read(text), UnexpectedValueError);
        }
      });
    }
  }
}
