// Which host names of LocalServers are looked up at a time. A look-up holds a thread until the resolver gives up, and Deno
// has 32 threads for such calls: names that hang must leave some for the server's name, and for names that do not hang.
import type { SocketAddress } from "../../ffi/socket_address.ts";

/** Look-ups at a time. */
const MOST = 24;
/** Look-ups at a time of names that did not resolve promptly the last time, or never did. */
const MOST_DOUBTFUL = 16;
/** Ms within which a name resolves promptly. */
const PROMPT_MS = 1000;

/** Bounds of {@linkcode Lookups}, for tests. */
export interface LookupBounds {
  /** Look-ups at a time, 1 up. Default: 24. */
  readonly most?: number;
  /** Look-ups at a time of names that are not known to resolve promptly, 1 up. Default: 16. */
  readonly mostDoubtful?: number;
  /** Ms within which a name resolves promptly, 0 up. Default: 1000. */
  readonly promptMs?: number;
}

/** Look-ups by the resolver, some at a time. Main isolate. */
export class Lookups {
  readonly #lookUp: (host: string) => Promise<readonly SocketAddress[]>;
  readonly #most: number;
  readonly #mostDoubtful: number;
  readonly #promptMs: number;
  /** Names that resolved promptly the last time. */
  readonly #prompt = new Set<string>();
  readonly #waiting: { readonly prompt: (() => void)[]; readonly doubtful: (() => void)[] } = {
    prompt: [],
    doubtful: [],
  };
  #running = 0;
  #doubtful = 0;

  /**
   * Makes one with nothing to do.
   *
   * @param lookUp Asks the resolver, off this thread.
   * @param bounds Bounds other than the usual ones.
   */
  constructor(lookUp: (host: string) => Promise<readonly SocketAddress[]>, bounds: LookupBounds = {}) {
    this.#lookUp = lookUp;
    this.#most = bounds.most ?? MOST;
    this.#mostDoubtful = bounds.mostDoubtful ?? MOST_DOUBTFUL;
    this.#promptMs = bounds.promptMs ?? PROMPT_MS;
  }

  /**
   * Looks a name up as soon as there is room. Names that resolved promptly the last time never wait for names that hang.
   *
   * @param host The name.
   * @throws Whatever the resolver's answer is.
   */
  resolve(host: string): Promise<readonly SocketAddress[]> {
    const prompt = this.#prompt.has(host);
    return new Promise((resolve, reject) => {
      const begin = () => this.#run(host, prompt).then(resolve, reject);
      (prompt ? this.#waiting.prompt : this.#waiting.doubtful).push(begin);
      this.#beginNext();
    });
  }

  #beginNext(): void {
    const { prompt, doubtful } = this.#waiting;
    while (this.#running < this.#most) {
      const next = prompt.shift() ?? (this.#doubtful < this.#mostDoubtful ? doubtful.shift() : undefined);
      if (next === undefined) return;
      next();
    }
  }

  async #run(host: string, prompt: boolean): Promise<readonly SocketAddress[]> {
    this.#running++;
    if (!prompt) this.#doubtful++;
    const since = performance.now();
    this.#prompt.delete(host);
    try {
      const addresses = await this.#lookUp(host);
      if (performance.now() - since < this.#promptMs) this.#prompt.add(host);
      return addresses;
    } finally {
      this.#running--;
      if (!prompt) this.#doubtful--;
      this.#beginNext();
    }
  }
}
