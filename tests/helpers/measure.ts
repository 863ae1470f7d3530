// How much time and memory some work takes.

import process from "node:process";

/** There where a program was started with `--v8-flags=--expose-gc`. */
declare const gc: () => void;

/** The time of the processor that this process has taken, in milliseconds. */
function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}

/**
 * How long some work takes, in milliseconds: what other programs do meanwhile, and
 * a machine that stands still, do not count.
 */
export function timed(work: () => void): number {
  const began = cpuTime();
  work();
  return cpuTime() - began;
}

/** What is in use, with the garbage taken away. */
function used(): number {
  gc();
  gc();
  const { heapUsed, external } = Deno.memoryUsage();
  return heapUsed + external;
}

/**
 * How many bytes more are in use after some work, its result being kept; that is
 * let go of on return.
 */
export function held(work: () => unknown): number {
  const before = used();
  const kept = work();
  const bytes = used() - before;
  if (kept === undefined) throw new Error("nothing was kept");
  return bytes;
}

/** The least of several: what comes between by chance does not do so each time. */
export function least(times: number, measure: () => number): number {
  return Math.min(...Array.from({ length: times }, measure));
}
