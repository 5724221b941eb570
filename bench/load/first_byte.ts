// Waits until a byte comes back through a public port. It knows no contender.

const AGAIN_MS = 2;
const LIMIT_MS = 15_000;
/** One try; some contenders accept connections that they cannot serve yet, and keep them. */
const TRY_MS = 1000;

/**
 * Tries until a byte has gone to the echo and come back.
 *
 * @throws {Error} If none does within 15 s.
 */
export async function firstByte(port: number): Promise<void> {
  const deadline = performance.now() + LIMIT_MS;
  while (!await tryOnce(port)) {
    if (performance.now() > deadline) throw new Error(`No byte came back through the tunnel within ${LIMIT_MS} ms`);
    await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
  }
}

async function tryOnce(port: number): Promise<boolean> {
  let conn: Deno.TcpConn;
  try {
    conn = await Deno.connect({ hostname: "127.0.0.1", port });
  } catch (error) {
    if (error instanceof Deno.errors.ConnectionRefused) return false;
    throw error;
  }
  let closed = false;
  const close = () => {
    if (!closed) conn.close();
    closed = true;
  };
  const timer = setTimeout(close, TRY_MS);
  try {
    await conn.write(new Uint8Array([1]));
    return await conn.read(new Uint8Array(1)) === 1;
  } catch {
    return false; // closed by the contender, or by the timer
  } finally {
    clearTimeout(timer);
    close();
  }
}
