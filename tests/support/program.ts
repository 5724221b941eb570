// A program as a child process: started, its lines read, stopped by its process id. It knows no flag of any program.

/** How many of the last lines of a program are kept for a message. */
const KEPT_LINES = 200;

/** A running child process whose output is read line by line; `await using` stops it. */
export class Program {
  /** What the program is called in messages. */
  readonly name: string;
  readonly #child: Deno.ChildProcess;
  readonly #read: Promise<unknown>;
  readonly #lines: string[] = [];
  /** How many lines it has written, those that are no longer kept included. */
  #count = 0;
  #ended = false;
  #onChange = Promise.withResolvers<void>();

  /** Starts `command`, a path followed by its arguments, with `env` added to the environment. */
  constructor(name: string, command: readonly string[], env: Record<string, string> = {}) {
    this.name = name;
    this.#child = new Deno.Command(command[0], {
      args: command.slice(1),
      // a Deno that asks whether there is a newer one has a socket that is none of the program's
      env: { DENO_NO_UPDATE_CHECK: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#read = Promise.all([this.#readLines(this.#child.stdout), this.#readLines(this.#child.stderr)]).then(() => {
      this.#ended = true;
      this.#changed();
    });
  }

  /** Its process id. */
  get pid(): number {
    return this.#child.pid;
  }

  /** How many lines it has written so far. */
  get lineCount(): number {
    return this.#count;
  }

  /** The last lines that it wrote on stdout and stderr. */
  get output(): string {
    return this.#lines.join("\n");
  }

  /**
   * Waits for a line, past or to come, that matches `pattern`.
   *
   * @throws {Error} If the program ends or `limit` milliseconds pass before there is one; its last lines are quoted.
   */
  line(pattern: RegExp, limit = 30_000): Promise<RegExpExecArray> {
    return this.#line(pattern, limit, 0);
  }

  /** The same as {@linkcode line}, for lines to come only. */
  nextLine(pattern: RegExp, limit = 30_000): Promise<RegExpExecArray> {
    return this.#line(pattern, limit, this.#count);
  }

  /** A line that matches and that at least `after` lines came before. */
  async #line(pattern: RegExp, limit: number, after: number): Promise<RegExpExecArray> {
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      this.#changed();
    }, limit);
    try {
      for (;;) {
        const forgotten = this.#count - this.#lines.length;
        for (const line of this.#lines.slice(Math.max(0, after - forgotten))) {
          const found = pattern.exec(line);
          if (found !== null) return found;
        }
        if (this.#ended || late) {
          const what = late ? `wrote no line ${pattern} within ${limit} ms` : `ended without a line ${pattern}`;
          throw new Error(`The ${this.name} ${what}; it wrote:\n${this.output}`);
        }
        await this.#onChange.promise;
      }
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Waits until something listens on `port` of 127.0.0.1.
   *
   * @throws {Error} If the program ends or `limit` milliseconds pass before that; its last lines are quoted.
   */
  async listening(port: number, limit = 30_000): Promise<void> {
    const deadline = performance.now() + limit;
    for (;;) {
      try {
        (await Deno.connect({ hostname: "127.0.0.1", port })).close();
        return;
      } catch (error) {
        if (!(error instanceof Deno.errors.ConnectionRefused)) throw error;
      }
      if (this.#ended || performance.now() > deadline) {
        const what = this.#ended ? "ended before it listened" : `did not listen within ${limit} ms`;
        throw new Error(`The ${this.name} ${what} on port ${port}; it wrote:\n${this.output}`);
      }
      // There is no event for a port that opens in another process.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** Waits for it to end by itself; sends SIGKILL `limit` milliseconds later. */
  async end(limit = 30_000): Promise<Deno.CommandStatus> {
    const timer = setTimeout(() => this.kill("SIGKILL"), limit);
    try {
      const status = await this.#child.status;
      await this.#read;
      return status;
    } finally {
      clearTimeout(timer);
    }
  }

  /** Sends SIGTERM if it still runs, SIGKILL `limit` milliseconds later, and waits for its end. */
  async stop(limit = 30_000): Promise<Deno.CommandStatus> {
    this.kill("SIGTERM");
    return await this.end(limit);
  }

  /** Sends it a signal; one that has ended gets none. */
  kill(signal: Deno.Signal): void {
    try {
      this.#child.kill(signal);
    } catch (error) {
      // Deno says that a child which has ended "has already terminated".
      if (!(error instanceof TypeError)) throw error;
    }
  }

  /** Stops it. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }

  async #readLines(stream: ReadableStream<Uint8Array<ArrayBuffer>>): Promise<void> {
    let rest = "";
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      const lines = (rest + text).split("\n");
      rest = lines.pop() ?? "";
      this.#lines.push(...lines);
      this.#count += lines.length;
      this.#lines.splice(0, this.#lines.length - KEPT_LINES);
      this.#changed();
    }
    if (rest === "") return;
    this.#lines.push(rest);
    this.#count++;
  }

  #changed(): void {
    this.#onChange.resolve();
    this.#onChange = Promise.withResolvers<void>();
  }
}

/**
 * `count` different ports of 127.0.0.1 that nothing listens on at the moment. They are below those that Linux gives away
 * by itself (32768 up), so that no connection or listener for "any port" takes one before its program does.
 */
export function freePorts(count: number): number[] {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = 10_240 + Math.floor(Math.random() * 22_000);
    try {
      Deno.listen({ hostname: "127.0.0.1", port }).close();
      ports.add(port);
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) throw error;
    }
  }
  return [...ports];
}
