// Lines that a stranger can cause: how many are written, and that those left out are counted.

import { LogLimit } from "../core/reactor/log_limit.ts";
import { assertEquals } from "./support/assert.ts";
import { testOnStage } from "./support/stage.ts";

testOnStage("so many lines a minute are written, and the next one says how many were left out", (stage) => {
  const lines: string[] = [];
  const limit = new LogLimit({
    loop: stage.loop,
    log: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
  }, 2);
  for (let i = 1; i <= 5; i++) limit.log("info", "Failed", { i });
  assertEquals(lines.splice(0), ['info Failed {"i":1}', 'info Failed {"i":2}']);
  stage.advance(59_000);
  limit.log("info", "Failed", { i: 6 });
  assertEquals(lines, []);
  stage.advance(2000);
  for (let i = 7; i <= 9; i++) limit.log("info", "Failed", { i });
  assertEquals(lines.splice(0), ['info Failed {"i":7,"unlogged":4}', 'info Failed {"i":8}']);
  stage.advance(600_000);
  limit.log("warning", "Failed", { i: 10 });
  assertEquals(lines, ['warning Failed {"i":10,"unlogged":1}']);
});
