// The descriptors of this process, for tests that prove that they left none behind or that must do without any.
// It knows nothing of what they are used for.

import type { Descriptor } from "../../ffi/descriptor.ts";
import { close } from "../../ffi/descriptor.ts";
import { checked } from "../../ffi/errno.ts";
import { openEventfd } from "../../ffi/eventfd.ts";
import { libc } from "../../ffi/libc.ts";
import { descriptorsOf, until } from "./inspection.ts";

const RLIMIT_NOFILE = 7;

/** The open descriptors of this process, each as `number -> what it is`. */
export function openDescriptors(): Set<string> {
  const found = new Set<string>();
  for (const { name } of Deno.readDirSync("/proc/self/fd")) {
    try {
      found.add(`${name} -> ${Deno.readLinkSync(`/proc/self/fd/${name}`)}`);
    } catch (error) {
      // the one with which the directory was read
      if (!(error instanceof Deno.errors.NotFound)) throw error;
    }
  }
  return found;
}

/**
 * Fails when something made with ffi/ is open now that was not open before. Files and the like are Deno's own affair.
 *
 * @param before What {@linkcode openDescriptors} said then.
 */
export function assertNoneLeft(before: ReadonlySet<string>): void {
  const left = [...openDescriptors()].filter((found) =>
    !before.has(found) && /-> (socket|pipe|anon_inode):/.test(found)
  );
  if (left.length > 0) throw new Error(`Descriptors are left open: ${left.join(", ")}`);
}

/**
 * Runs `body`, which starts Workers that end, and fails when something made with ffi/ is left open. Deno keeps an event
 * loop of the Worker that ended last, and closes the others some time after their last words: only numbers can be
 * compared, and only after one Worker has ended before.
 */
export async function withWorkers(body: () => Promise<void>): Promise<void> {
  const first = new Worker("data:application/javascript,postMessage(0);close()", { type: "module" });
  await new Promise((resolve) => first.onmessage = resolve);
  const before = descriptorsOf(Deno.pid);
  await body();
  const more = () => Object.entries(descriptorsOf(Deno.pid)).filter(([kind, count]) => count > (before[kind] ?? 0));
  await until("no more descriptors than before", more, (kinds) => kinds.length === 0);
}

/** Registers a test that must leave no descriptor behind; its body runs in one go. */
export function testDescriptors(name: string, body: () => void): void {
  Deno.test(name, () => {
    const before = openDescriptors();
    body();
    assertNoneLeft(before);
  });
}

/**
 * Runs `body` while this process can open no descriptor at all. It must not await: everything else in the process, Deno
 * itself included, has none either.
 *
 * @param body Is given a function that closes one descriptor, so that one can be opened again.
 */
export function withoutDescriptors<T>(body: (free: () => void) => T): T {
  const limits = new BigUint64Array(2);
  checked(libc.getrlimit(RLIMIT_NOFILE, limits), "getrlimit", "testing");
  const highest = Math.max(...[...openDescriptors()].map((found) => Number.parseInt(found)));
  // a few above the highest in use; they and every hole below are filled
  const lowered = BigUint64Array.of(BigInt(highest + 5), limits[1]);
  checked(libc.setrlimit(RLIMIT_NOFILE, lowered), "setrlimit", "testing");
  const fillers: Descriptor[] = [];
  try {
    try {
      for (;;) fillers.push(openEventfd());
    } catch (error) {
      if (!(error instanceof Error) || !error.message.includes("EMFILE")) throw error;
    }
    return body(() => close(fillers.pop()!));
  } finally {
    for (const fd of fillers) close(fd);
    checked(libc.setrlimit(RLIMIT_NOFILE, limits), "setrlimit", "testing");
  }
}
