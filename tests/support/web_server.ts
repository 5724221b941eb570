// A small web server on 127.0.0.1 that stands behind a tunnel, and transfers to and from it that are timed and hashed.
// It knows nothing of tunnels: a transfer takes the address to go through.

import { digest, payload } from "./payload.ts";

/** A running web server; see {@linkcode startWebServer}. */
export interface WebServer {
  /** Where it listens, as `127.0.0.1:port`. */
  readonly address: string;
  /** Stops it, cutting what is under way. */
  close(): Promise<void>;
}

/** What a transfer moved, in which time, and the SHA-256 of what arrived at its far end. */
export interface Transfer {
  bytes: number;
  seconds: number;
  sha256: string;
}

/** The page that the server called `name` answers with; it is sent in pieces. */
export function pageOf(name: string): string {
  const rows = Array.from({ length: 100 }, (_, i) => `<tr><td>${i}</td><td>${"~".repeat(i)}</td></tr>`);
  return `<!doctype html>\n<title>${name}</title>\n<table>\n${rows.join("\n")}\n</table>\n`;
}

/**
 * Starts a web server on a free port. `GET /` is its page, `GET /file?seed=1&bytes=2` a payload, and what is sent with
 * PUT or POST is answered with its length and SHA-256 as JSON.
 */
export function startWebServer(name: string): WebServer {
  const stop = new AbortController();
  const server = Deno.serve(
    {
      hostname: "127.0.0.1",
      port: 0,
      signal: stop.signal,
      onListen: () => {},
      // An upload that breaks off is seen, and told, by the one who sends it.
      onError: (error) => new Response(`${error}\n`, { status: 500 }),
    },
    async (request) => {
      const { pathname, searchParams } = new URL(request.url);
      if (request.method === "PUT" || request.method === "POST") return Response.json(await digest(request.body));
      if (pathname === "/") {
        return new Response(
          ReadableStream.from(pageOf(name).split(/(?<=\n)/)).pipeThrough(new TextEncoderStream()),
          { headers: { "content-type": "text/html" } },
        );
      }
      if (pathname !== "/file") return new Response("Not found\n", { status: 404 });
      const bytes = Number(searchParams.get("bytes"));
      return new Response(payload(Number(searchParams.get("seed")), bytes), {
        headers: { "content-type": "application/octet-stream", "content-length": String(bytes) },
      });
    },
  );
  return {
    address: `127.0.0.1:${server.addr.port}`,
    close: () => {
      stop.abort();
      return server.finished;
    },
  };
}

/**
 * One request on a connection of its own, so that none stays open afterwards, and the time until `read` is done.
 *
 * @throws {Error} If it does not succeed; the message names the request.
 */
async function timed(
  url: string,
  init: RequestInit,
  read: (response: Response) => Promise<{ bytes: number; sha256: string }>,
): Promise<Transfer> {
  const client = Deno.createHttpClient({ poolMaxIdlePerHost: 0 });
  const request = `${init.method ?? "GET"} ${url}`;
  try {
    const start = performance.now();
    const response = await fetch(url, { ...init, client });
    if (!response.ok) throw new Error(`The answer was ${response.status} ${await response.text()}`);
    const { bytes, sha256 } = await read(response);
    return { bytes, sha256, seconds: (performance.now() - start) / 1000 };
  } catch (error) {
    // fetch() hides what happened to the connection in the cause.
    const reason = error instanceof Error ? error.cause ?? error : error;
    throw new Error(`${request} failed: ${reason instanceof Error ? reason.message : reason}`, { cause: error });
  } finally {
    client.close();
  }
}

/** Fetches the page of the web server that is reached at `address`. */
export function fetchPage(address: string, signal: AbortSignal): Promise<Transfer> {
  return timed(`http://${address}/`, { signal }, (response) => digest(response.body));
}

/** Fetches the payload `seed` of `bytes` bytes from the web server that is reached at `address`. */
export function download(address: string, seed: number, bytes: number, signal: AbortSignal): Promise<Transfer> {
  return timed(`http://${address}/file?seed=${seed}&bytes=${bytes}`, { signal }, (response) => digest(response.body));
}

/** Sends the payload `seed` of `bytes` bytes to the web server at `address`; the result is what that one received. */
export function upload(address: string, seed: number, bytes: number, signal: AbortSignal): Promise<Transfer> {
  const init = { method: "PUT", body: payload(seed, bytes), signal };
  return timed(`http://${address}/`, init, (response) => response.json());
}
