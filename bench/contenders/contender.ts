// What a contender is: something that makes services reachable on ports of its own. It knows no particular one.

/** The services behind every contender: web pages (ab, wrk), bulk data (iperf3), and an echo of single bytes. */
export const BACKENDS = ["web", "bulk", "echo"] as const;

/** One of {@linkcode BACKENDS}. */
export type Backend = typeof BACKENDS[number];

/** A port of 127.0.0.1 for every service. */
export type Ports = Readonly<Record<Backend, number>>;

/** One process of a contender. */
export interface ProgramOf {
  /** What it is called in the report, such as `server`. */
  readonly name: string;
  readonly pid: number;
}

/** A contender that runs; disposing of it ends its processes. */
export interface Running extends AsyncDisposable {
  /** Its processes; none when there is no tunnel at all. */
  readonly programs: readonly ProgramOf[];
  /** Where the public reaches the services. */
  readonly ports: Ports;
  /** The last lines that its processes wrote. */
  output(): string;
}

/** Something to be measured. */
export interface Contender {
  /** What it is called in options and in the report. */
  readonly name: string;
  /** How it is set up, in one line, with what cannot be switched off. */
  readonly setup: string;
  /** Two of it cannot run at a time on one machine. */
  readonly exclusive?: boolean;
  /** Which of its programs is not installed, and where it was looked for; null when all are. */
  missing(): string | null;
  /** The version that the installed programs state. */
  version(): Promise<string>;
  /**
   * Starts its processes without waiting for a first byte to pass.
   *
   * @param services Where the services listen.
   * @throws {Error} If a process ends at once; nothing is left running then.
   */
  start(services: Ports): Promise<Running>;
}
