// Large transfers over plain TCP: a service that takes and gives payloads, and its users. It knows nothing of what lies
// between them.

import { addressOf, connectTo, listenLocally, readExactly, readToEnd, writeAll, writePayload } from "./conns.ts";

/** What a user sends first: this and a seed, a byte each. A payload from it follows, or one to it is asked for. */
const UPLOAD = 1;
const DOWNLOAD = 2;
const HEX_SHA256 = 64;

/** A running service; see {@linkcode startTransferService}. */
export interface TransferService extends AsyncDisposable {
  /** Where it listens, as `127.0.0.1:port`. */
  readonly address: string;
}

/** How the answer to a download is read: to its end, for the SHA-256. */
export type ReadAnswer = (conn: Deno.TcpConn) => Promise<{ sha256: string }>;

/** Starts the service, whose payloads have `bytes` bytes each. */
export function startTransferService(bytes: number): TransferService {
  const listener = listenLocally();
  const serving: Promise<void>[] = [];
  const accepting = (async () => {
    for await (const conn of listener) {
      // What went wrong is seen, and told, by the other end.
      serving.push(serve(conn, bytes).catch(() => {}).finally(() => conn.close()));
    }
  })();
  return {
    address: addressOf(listener),
    async [Symbol.asyncDispose]() {
      listener.close();
      await accepting;
      await Promise.all(serving);
    },
  };
}

async function serve(conn: Deno.TcpConn, bytes: number): Promise<void> {
  const [kind, seed] = await readExactly(conn, 2);
  if (kind === DOWNLOAD) return await writePayload(conn, seed, bytes);
  const { sha256 } = await readToEnd(conn);
  await writeAll(conn, new TextEncoder().encode(sha256));
}

/** Sends the payload `seed` (0 to 255) and gives the SHA-256 of what the service received. */
export async function uploadTo(address: string, seed: number, bytes: number): Promise<string> {
  using conn = await connectTo(address);
  await writeAll(conn, Uint8Array.of(UPLOAD, seed));
  await writePayload(conn, seed, bytes);
  await conn.closeWrite();
  return new TextDecoder().decode(await readExactly(conn, HEX_SHA256));
}

/** Fetches the payload `seed` (0 to 255) and gives the SHA-256 of what arrived. */
export async function downloadFrom(address: string, seed: number, read: ReadAnswer = readToEnd): Promise<string> {
  using conn = await connectTo(address);
  await writeAll(conn, Uint8Array.of(DOWNLOAD, seed));
  return (await read(conn)).sha256;
}
