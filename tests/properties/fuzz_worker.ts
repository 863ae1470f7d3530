// One of the threads of `fuzz.ts`.

import { Dice } from "./dice.ts";
import { anyInput, type Target, tryInput } from "./targets.ts";

/** What a thread is to do: every `step`th input between two. */
export interface Work {
  readonly seed: number;
  readonly from: number;
  readonly end: number;
  readonly step: number;
  /** The one target, `undefined` for all. */
  readonly target: Target | undefined;
}

/** What a thread has done since its last report. */
export interface Report {
  /** How many inputs there were for which target. */
  readonly counts: ReadonlyMap<string, number>;
  /** How many bytes they had. */
  readonly bytes: number;
  readonly failures: readonly (readonly [index: number, what: string])[];
  readonly isLast: boolean;
}

// Errors are thrown by the million, and few are looked at.
const STACK = 12;
Error.stackTraceLimit = 0;

function run({ seed, from, end, step, target }: Work): void {
  let counts = new Map<string, number>();
  let failures: [number, string][] = [];
  let bytes = 0;
  let told = performance.now();
  const tell = (isLast: boolean) => {
    const report: Report = { counts, bytes, failures, isLast };
    self.postMessage(report);
    counts = new Map();
    failures = [];
    bytes = 0;
    told = performance.now();
  };
  for (let index = from; index < end; index += step) {
    const input = anyInput(new Dice(seed, index), target);
    counts.set(input.target, (counts.get(input.target) ?? 0) + 1);
    bytes += input.bytes.length;
    try {
      input.check(input.bytes);
    } catch {
      Error.stackTraceLimit = STACK;
      const what = tryInput(input) ?? "it fails once and not again";
      Error.stackTraceLimit = 0;
      failures.push([index, what]);
      tell(false);
    }
    if ((index & 0xff) < step && performance.now() - told > 500) tell(false);
  }
  tell(true);
}

declare const self: {
  postMessage(message: unknown): void;
  onmessage: ((event: MessageEvent<Work>) => void) | null;
};

self.onmessage = ({ data }) => run(data);
