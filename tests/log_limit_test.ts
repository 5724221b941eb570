// Lines that others can cause: how many are written, and that those left out are counted and the last of them shown.

import { LogLimit, type LogLimitOptions } from "../core/reactor/log_limit.ts";
import { assertEquals } from "./support/assert.ts";
import { type Stage, testOnStage } from "./support/stage.ts";

function limitOn(stage: Stage, options: LogLimitOptions) {
  const lines: string[] = [];
  const limit = new LogLimit({
    loop: stage.loop,
    log: (level, message, fields) => lines.push(`${level} ${message} ${JSON.stringify(fields)}`),
  }, options);
  return { lines, limit };
}

testOnStage(
  "so many lines a minute are written, and at its end the last one, with how many were left out before it",
  (stage) => {
    const { lines, limit } = limitOn(stage, { lines: 2 });
    for (let i = 1; i <= 5; i++) limit.log("info", "Failed", { i });
    assertEquals(lines.splice(0), ['info Failed {"i":1}', 'info Failed {"i":2}']);
    stage.advance(59_000);
    limit.log("info", "Failed", { i: 6 });
    assertEquals(lines, []);
    stage.advance(2000);
    assertEquals(lines.splice(0), ['info Failed {"i":6,"unlogged":3}']);
    for (let i = 7; i <= 9; i++) limit.log("info", "Failed", { i });
    assertEquals(lines.splice(0), ['info Failed {"i":7}']);
    stage.advance(61_000);
    assertEquals(lines.splice(0), ['info Failed {"i":9,"unlogged":1}']);
    stage.advance(600_000);
    limit.log("warning", "Failed", { i: 10 });
    assertEquals(lines, ['warning Failed {"i":10}']);
  },
);

testOnStage("so many characters a minute are written, however few lines they are", (stage) => {
  const { lines, limit } = limitOn(stage, { lines: 100, characters: 1000 });
  for (let i = 0; i < 50; i++) limit.log("info", "Long", { text: "x".repeat(300) });
  assertEquals(lines.splice(0).length, 4);
  stage.advance(61_000);
  assertEquals(lines.length, 1);
});

testOnStage("where lines are counted each says how many it stands for, and nothing comes after the end", (stage) => {
  const { lines, limit } = limitOn(stage, { lines: 1, counted: "refused" });
  for (let i = 0; i < 1000; i++) limit.log("info", "Refused", { port: 80 });
  assertEquals(lines.splice(0), ['info Refused {"port":80,"refused":1}']);
  stage.advance(60_000);
  assertEquals(lines.splice(0), ['info Refused {"port":80,"refused":999}']);
  stage.advance(60_000);
  limit.log("info", "Refused", { port: 80 });
  assertEquals(lines.splice(0), ['info Refused {"port":80,"refused":1}'], "a first one again");
  limit.log("info", "Refused", { port: 80 });
  limit.close();
  stage.advance(60_000);
  assertEquals([lines, stage.loop.timers.size], [[], 0]);
});

testOnStage("where several share a limit, one that may not write counts on", (stage) => {
  let mayWrite = false;
  const { lines, limit } = limitOn(stage, { lines: 1, counted: "times", mayWrite: () => mayWrite });
  for (let i = 0; i < 5; i++) limit.log("warning", "Short", {});
  assertEquals([lines, stage.loop.timers.size], [[], 0]);
  mayWrite = true;
  limit.log("warning", "Short", {});
  assertEquals(lines, ['warning Short {"times":6}']);
});
