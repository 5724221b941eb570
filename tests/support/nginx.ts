// An nginx of one's own on a free port of 127.0.0.1, with one small page. It knows nothing of tunnels.

import { freePorts, Program } from "./program.ts";
import { toolPath } from "./tools.ts";

/** A running nginx; `await using` stops it. */
export interface Nginx extends AsyncDisposable {
  /** Where it listens, as `127.0.0.1:port`. */
  readonly address: string;
}

/** What `GET /` answers with. */
export const NGINX_PAGE = `<!doctype html>\n<title>nginx</title>\n<p>${"x".repeat(500)}</p>\n`;

/** The configuration of an nginx that is one process, keeps everything in `folder`, and can take many connections. */
function configuration(folder: string, port: number): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  return `
daemon off;
master_process off;
worker_processes 1;
pid ${folder}/nginx.pid;
error_log stderr error;
events { worker_connections 8192; }
http {
  access_log off;
  keepalive_requests 1000000000;
  default_type text/html;
  ${temporary.map((name) => `${name}_temp_path ${folder}/${name};`).join("\n  ")}
  server {
    listen 127.0.0.1:${port} backlog=4096 reuseport;
    root ${folder}/pages;
  }
}
`;
}

/**
 * Starts nginx and waits until it listens.
 *
 * @throws {Error} If it is not installed or does not start; the message has what it wrote.
 */
export async function startNginx(): Promise<Nginx> {
  await using stack = new AsyncDisposableStack();
  const folder = await Deno.makeTempDir({ prefix: "cproxy-nginx-" });
  stack.defer(() => Deno.remove(folder, { recursive: true }));
  const [port] = freePorts(1);
  const config = `${folder}/nginx.conf`;
  await Deno.mkdir(`${folder}/pages`);
  await Deno.writeTextFile(`${folder}/pages/index.html`, NGINX_PAGE);
  await Deno.writeTextFile(config, configuration(folder, port));
  // -e: not even its own start is written to the system's log
  const nginx = stack.use(new Program("nginx", [toolPath("nginx"), "-e", "stderr", "-p", folder, "-c", config]));
  await nginx.listening(port);
  const running = stack.move();
  return { address: `127.0.0.1:${port}`, [Symbol.asyncDispose]: () => running.disposeAsync() };
}
