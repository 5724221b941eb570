// The LocalServers of all tunnels, as one relay Worker knows them. There may be tens of thousands, most of which see no
// visitor: each is made with its first one.
import { LogLimit } from "../../reactor/log_limit.ts";
import { takeMinute } from "../../reactor/minute.ts";
import type { ReactorContext } from "../../reactor/reactor_worker.ts";
import { addressesOf, lineWord, type LocalConfig, type ResolveReport } from "../worker_config.ts";
import { LocalTarget } from "./local_target.ts";

/** See the file's head. One thread. */
export class LocalTargets {
  readonly #context: Pick<ReactorContext, "log" | "loop" | "report">;
  readonly #plans: readonly LocalConfig[];
  readonly #lineMinutes: Int32Array;
  /** By the tunnel's place in the list. */
  readonly #made = new Map<number, LocalTarget>();
  /** Of a tunnel that a server names and that is not there. */
  readonly #nowhere = new LocalTarget({ name: "unknown", local: "unknown" }, [], {
    ask() {},
    onRefused() {},
    onLoop() {},
  });

  /**
   * Knows the tunnels of a Worker.
   *
   * @param context The Worker.
   * @param plans The tunnels.
   * @param lineMinutes See {@linkcode lineWord}.
   */
  constructor(
    context: Pick<ReactorContext, "log" | "loop" | "report">,
    plans: readonly LocalConfig[],
    lineMinutes: Int32Array,
  ) {
    this.#context = context;
    this.#plans = plans;
    this.#lineMinutes = lineMinutes;
  }

  /** How many tunnels there are. */
  get length(): number {
    return this.#plans.length;
  }

  /**
   * The LocalServer of the tunnel with that place in the list; a target without an address when there is no such
   * tunnel.
   */
  at(place: number): LocalTarget {
    const made = this.#made.get(place);
    if (made !== undefined) return made;
    const plan: LocalConfig | undefined = this.#plans[place];
    if (plan === undefined) return this.#nowhere;
    const target = this.#make(plan, place);
    this.#made.set(place, target);
    return target;
  }

  /** The same, if it has had a visitor. */
  known(place: number): LocalTarget | undefined {
    return this.#made.get(place);
  }

  #make(plan: LocalConfig, place: number): LocalTarget {
    const { name, local, fixed } = plan;
    const context = this.#context;
    const limitOf = (kind: "unreachable" | "loop") =>
      new LogLimit(context, {
        lines: 1,
        counted: "visitors",
        mayWrite: () => takeMinute(this.#lineMinutes, lineWord(place, kind)),
      });
    let limit: LogLimit | null = null;
    let loops: LogLimit | null = null;
    return new LocalTarget(plan, fixed === null ? null : addressesOf(fixed), {
      ask: () => context.report({ kind: "resolve-local", tunnel: place } satisfies ResolveReport),
      onRefused(reason) {
        limit ??= limitOf("unreachable");
        limit.log("warning", "Local service cannot be reached", { name, local, reason });
      },
      onLoop() {
        loops ??= limitOf("loop");
        loops.log("error", "Local service leads back to this tunnel's own public port; its visitors are refused", {
          name,
          local,
        });
      },
    });
  }
}
