// Connections on which a test says things that are nearly right, to a program that is running. It knows the messages and
// mutations of the fuzzer, and nothing of what a program should do.

import { mutated } from "../fuzz/mutation.ts";
import type { Target } from "../fuzz/target.ts";
import { ctlFrames } from "../fuzz/targets/frame_streams.ts";
import { endingOf, writeAll } from "./conns.ts";
import type { Random } from "./random.ts";

/** Ms for which a peer may think about what it was sent, before the test closes the connection itself. */
const PATIENCE_MS = 250;

/** `bytes` nearly, and at times followed by what `target` reads. */
export function spoilt(random: Random, bytes: Uint8Array, target: Target = ctlFrames): Uint8Array {
  return mutated(random, bytes, { ...target, longest: 4096 });
}

/**
 * Sends bytes, in one piece or in two, and waits a little for the peer to close the connection.
 *
 * @returns Whether it did.
 */
export async function provoke(random: Random, conn: Deno.TcpConn, bytes: Uint8Array): Promise<boolean> {
  const cut = random.chance(0.5) ? bytes.length : random.between(0, bytes.length);
  try {
    await writeAll(conn, bytes.subarray(0, cut));
    await writeAll(conn, bytes.subarray(cut));
  } catch (error) {
    if (isGone(error)) return true;
    throw error;
  }
  return await closes(conn);
}

/** Whether the peer closes the connection within a short time. What it sends before that is dropped. */
export async function closes(conn: Deno.TcpConn): Promise<boolean> {
  let patience: ReturnType<typeof setTimeout> | undefined;
  const ended = endingOf(conn).then(() => true, (error) => {
    // the test has closed it
    if (error instanceof Deno.errors.BadResource || error instanceof Deno.errors.Interrupted) return false;
    if (isGone(error)) return true;
    throw error;
  });
  const late = new Promise<boolean>((resolve) => patience = setTimeout(() => resolve(false), PATIENCE_MS));
  const closed = await Promise.race([ended, late]);
  clearTimeout(patience);
  return closed;
}

/** Whether an error says that the peer has closed or reset the connection. */
export function isGone(error: unknown): boolean {
  return error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.BrokenPipe ||
    error instanceof Deno.errors.ConnectionAborted || error instanceof Deno.errors.NotConnected;
}
