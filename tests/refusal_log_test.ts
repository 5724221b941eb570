// What a log says of PublicClients that are refused: the first at once, then how many, once a minute.

import { RefusalLog } from "../core/server/acceptor/refusal_log.ts";
import { assertEquals } from "./support/assert.ts";
import { accepted, listenSomewhere, testOnStage } from "./support/stage.ts";

testOnStage("the first refusal is logged at once, and those behind it by their number, once a minute", (stage) => {
  const { fd, address } = listenSomewhere();
  const listener = stage.peer(fd);
  // the log tells whoever was accepted last
  stage.caller(address);
  stage.peer(accepted(fd));
  const lines: string[] = [];
  const log = new RefusalLog(
    {
      loop: stage.loop,
      logs: (level) => level !== "debug",
      log: (level, message, fields = {}) => {
        const peer = String(fields.peer ?? "nobody").replace(/:\d+$/, "");
        lines.push(`${level} ${message} port=${fields.port} refused=${fields.refused} peer=${peer}`);
      },
    },
    "Refused",
    { port: 80 },
  );
  for (let i = 0; i < 1000; i++) log.note();
  assertEquals(lines.splice(0), ["info Refused port=80 refused=1 peer=127.0.0.1"]);
  stage.advance(59_000);
  log.note();
  assertEquals(lines, []);
  stage.advance(1000);
  assertEquals(lines.splice(0), ["info Refused port=80 refused=1000 peer=nobody"]);
  stage.advance(60_000);
  assertEquals(lines, []);
  // a minute without any: the next one is a first one again
  log.note();
  assertEquals(lines.splice(0), ["info Refused port=80 refused=1 peer=127.0.0.1"]);
  log.note();
  log.close();
  stage.advance(60_000);
  assertEquals(lines, []);
  listener.close();
});
