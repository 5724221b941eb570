// Web requests by ab and wrk. It knows no contender.

import { runTool } from "../../tests/support/tools.ts";

/** What was answered. */
export interface WebResult {
  readonly requests: number;
  readonly perSecond: number;
}

/** What ab is asked for. */
export interface AbLoad {
  readonly port: number;
  /** The number of requests at a time. */
  readonly concurrency: number;
  /** Whether a connection carries one request or many. */
  readonly keepAlive: boolean;
  /** It ends after so many whole seconds or requests, whichever comes first. */
  readonly seconds: number;
  readonly requests?: number;
}

const MARGIN_MS = 15_000;
/** ab keeps a record of each request, and wants to know at the start how many there can be. */
const MOST_REQUESTS = 1_000_000;

/**
 * Requests a small page again and again with ab.
 *
 * @throws {Error} If a single request fails.
 */
export async function runAb({ port, concurrency, keepAlive, seconds, requests }: AbLoad): Promise<WebResult> {
  const args = ["-q", "-t", String(seconds), "-n", String(requests ?? MOST_REQUESTS), "-c", String(concurrency)];
  if (keepAlive) args.push("-k");
  const text = await runTool("ab", [...args, `http://127.0.0.1:${port}/`], seconds * 1000 + MARGIN_MS);
  const number = (label: string) => Number(new RegExp(`^${label}:\\s+([\\d.]+)`, "m").exec(text)?.[1] ?? 0);
  const failed = number("Failed requests") + number("Non-2xx responses");
  if (failed > 0) throw new Error(`ab saw ${failed} of ${number("Complete requests")} requests fail`);
  if (number("Complete requests") === 0) throw new Error("ab saw no request complete");
  return { requests: number("Complete requests"), perSecond: number("Requests per second") };
}

/**
 * Requests the page over `connections` connections with wrk, in as many threads as ab has: one.
 *
 * @throws {Error} If a single connection or request fails.
 */
export async function runWrk(port: number, connections: number, seconds: number): Promise<WebResult> {
  const args = ["-t", "1", "-c", String(connections), "-d", `${seconds}s`, `http://127.0.0.1:${port}/`];
  const text = await runTool("wrk", args, seconds * 1000 + MARGIN_MS);
  const wrong = /^\s*(Socket errors|Non-2xx).*/m.exec(text);
  if (wrong !== null) throw new Error(`wrk says: ${wrong[0].trim()}`);
  const found = /(\d+) requests in[\s\S]*Requests\/sec:\s+([\d.]+)/.exec(text);
  if (found === null) throw new Error(`Cannot read what wrk wrote:\n${text}`);
  return { requests: Number(found[1]), perSecond: Number(found[2]) };
}
