// How long this process has been at work: what other programs do meanwhile, and a
// machine that stands still, do not count.

import process from "node:process";

/** The time of the processor that this process has taken, in milliseconds. */
export function cpuTime(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
