// One thread of `make fuzz`: runs ranges of inputs as it is told, and writes down where it is, for who watches it.

import { FuzzFailure, runInputs, type Tally } from "./run.ts";
import { TARGETS } from "./targets.ts";

/** What the thread is to do. */
export interface Job {
  /** The name of the target. */
  readonly target: string;
  readonly seed: number;
  /** The first input. */
  readonly from: number;
  /** The one after the last. */
  readonly to: number;
}

/** What came of it. */
export type Answer =
  | { readonly kind: "done"; readonly tally: Tally; readonly ms: number; readonly heapBytes: number }
  | { readonly kind: "failed"; readonly message: string; readonly input: Uint8Array | null };

const scope = self as unknown as {
  postMessage(answer: Answer): void;
  onmessage: (event: MessageEvent) => void;
  gc?: () => void;
};

/** The number of the input that is being read. */
let progress: Int32Array = new Int32Array(1);

function run({ target: name, seed, from, to }: Job): Answer {
  const target = TARGETS.find((target) => target.name === name)!;
  const start = performance.now();
  try {
    const tally = runInputs(target, seed, from, to, (index) => progress[0] = index);
    const ms = performance.now() - start;
    scope.gc?.();
    const { heapUsed, external } = Deno.memoryUsage();
    return { kind: "done", tally, ms, heapBytes: heapUsed + external };
  } catch (error) {
    if (error instanceof FuzzFailure) return { kind: "failed", message: error.message, input: error.input };
    return { kind: "failed", message: String(error), input: null };
  }
}

scope.onmessage = ({ data }) => {
  if (data instanceof SharedArrayBuffer) progress = new Int32Array(data);
  else scope.postMessage(run(data as Job));
};
