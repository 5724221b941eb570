// What the findings of a run come to: tables for people, and whether anything is wrong.

import { passagesOf } from "./balance.ts";
import type { Findings, Life } from "./haul.ts";
import type { Ledger } from "./ledger.ts";
import { TUNNELS } from "./plan.ts";
import { table } from "./table.ts";

const MIB = 2 ** 20;
/**
 * Bytes by which a program may be larger at its end than after its first round: what garbage takes until it is
 * collected.
 */
const MOST_GROWTH = 24 * MIB;
/** Pipes that a relay Worker keeps for the next time, each two descriptors, over all Workers. */
const MOST_PIPES = 2 * 16 * 3;

/** What is wrong, with what was wrong before at first. */
export function faultsOf(findings: Findings): string[] {
  return [...findings.wrong, ...findings.lives.flatMap(growth)];
}

function growth({ which, first, last }: Life): string[] {
  const wrong: string[] = [];
  const grown = last.pss - first.pss;
  if (grown > MOST_GROWTH) wrong.push(`The ${which} has grown by ${(grown / MIB).toFixed(1)} MiB`);
  const pooled = ({ totals: t }: typeof first) =>
    t.proxyConnsOpened - t.proxyConnsClosed + t.noticeConnsOpened - t.noticeConnsClosed;
  for (const kind of new Set([...Object.keys(first.descriptors), ...Object.keys(last.descriptors)])) {
    const now = (last.descriptors[kind] ?? 0) - (kind === "socket" ? pooled(last) : 0);
    const then = (first.descriptors[kind] ?? 0) - (kind === "socket" ? pooled(first) : 0);
    const most = kind === "pipe" ? MOST_PIPES : then;
    if (now > most) {
      wrong.push(`The ${which} holds ${now} descriptors of kind "${kind}", and ${then} after its first round`);
    }
  }
  return wrong;
}

/** The tables of a run. */
export function report({ rounds, lethal, lives, faults }: Findings): string {
  return [
    "Bytes in all rounds, in the order in which they pass; what a reset left behind is missing from there on:",
    bytesTable(rounds),
    "Sessions in all rounds:",
    sessionsTable(rounds),
    "Visits to the exact service:",
    visitsTable(rounds, lethal),
    "The programs, after the first round of a life and after its last:",
    livesTable(lives),
    `Faults: ${Object.entries(faults).map(([name, times]) => `${name} ${times}`).join(", ")}`,
  ].join("\n\n");
}

function bytesTable(rounds: Findings["rounds"]): string {
  const sums = new Map<string, number[]>();
  for (const { ledger, counted } of rounds) {
    for (const p of passagesOf(ledger, counted)) {
      const key = `${p.tunnel} ${p.direction}`;
      const steps = [p.sent, p.firstIn, p.firstOut, p.secondIn, p.secondOut, p.received];
      sums.set(key, steps.map((step, i) => step + (sums.get(key)?.[i] ?? 0)));
    }
  }
  return table(
    ["tunnel", "sent", "in", "out", "in", "out", "received"],
    [...sums].map(([key, steps]) => [key, ...steps]),
  );
}

function sessionsTable(rounds: Findings["rounds"]): string {
  const rows = TUNNELS.flatMap((tunnel) =>
    (["server", "client"] as const).map((which) => {
      const sum = (name: string) => rounds.reduce((all, { counted }) => all + counted[tunnel][which][name], 0);
      const visits = rounds.reduce((all, { ledger }) => all + ledger.visitors[tunnel].conns, 0);
      const served = rounds.reduce((all, { ledger }) => all + ledger.services[tunnel].conns, 0);
      const columns = ["sessionsOpened", "sessionsEnded", "sessionsReset", "sessionsRefused"].map(sum);
      return [`${tunnel}, ${which}`, visits, ...columns, served];
    })
  );
  return table(["tunnel", "visits", "opened", "ended", "reset", "refused", "served"], rows);
}

function visitsTable(rounds: Findings["rounds"], lethal: Findings["lethal"]): string {
  const parts: (readonly [string, readonly Ledger[]])[] = [["rounds", rounds.map(({ ledger }) => ledger)], [
    "while a program was killed",
    lethal,
  ]];
  return table(
    ["", "whole", "turned away", "cut off"],
    parts.map(([name, ledgers]) => {
      const sum = (outcome: "whole" | "turnedAway" | "cutOff") =>
        ledgers.reduce((all, { outcomes }) => all + outcomes[outcome], 0);
      return [name, sum("whole"), sum("turnedAway"), sum("cutOff")];
    }),
  );
}

function livesTable(lives: readonly Life[]): string {
  return table(
    ["program", "rounds", "sockets", "pipes", "other", "MiB"],
    lives.map(({ which, rounds, first, last }) => {
      const pair = (value: (snapshot: typeof first) => string | number) => `${value(first)} → ${value(last)}`;
      const others = ({ descriptors: { socket: _s, pipe: _p, ...rest } }: typeof first) =>
        Object.values(rest).reduce((a, b) => a + b, 0);
      return [
        which,
        rounds,
        pair(({ descriptors }) => descriptors.socket),
        pair(({ descriptors }) => descriptors.pipe ?? 0),
        pair(others),
        pair(({ pss }) => (pss / MIB).toFixed(1)),
      ];
    }),
  );
}
