// Runs the properties on as many inputs as one likes: a program of its own.
//
// deno task fuzz [count] [seed] [from] [jobs] [target]
//
// The seed is random and printed. An input depends on the seed and its number
// alone: `deno task fuzz 1 <seed> <number>` is that one again.

import { ALL_TARGETS } from "./targets.ts";
import type { Report, Work } from "./fuzz_worker.ts";

/** After so many failing inputs there is no need of more. */
const ENOUGH = 20;

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

function argument(index: number, otherwise: number): number {
  const text = Deno.args[index];
  const number = text === undefined ? otherwise : Number(text);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  throw new TypeError(`"${text}" is not a whole number from 0 on`);
}

const count = argument(0, 1_000_000);
const seed = argument(1, Math.floor(Math.random() * 2 ** 31));
const from = argument(2, 0);
const jobs = Math.min(
  Math.max(1, count),
  argument(3, navigator.hardwareConcurrency),
);

const target = ALL_TARGETS.find((name) => name === Deno.args[4]);

say(`${count} inputs from ${from} on, seed ${seed}, ${jobs} at a time`);
const began = performance.now();
const counts = new Map<string, number>(ALL_TARGETS.map((name) => [name, 0]));
let done = 0;
let failures = 0;
let bytes = 0;
let said = began;

function take(report: Report): void {
  for (const [name, more] of report.counts) {
    counts.set(name, (counts.get(name) ?? 0) + more);
    done += more;
  }
  bytes += report.bytes;
  for (const [index, what] of report.failures) {
    failures++;
    say(`\nWrong: input ${index} of seed ${seed}: ${what}\n`);
  }
  const now = performance.now();
  if (now - said < 15_000 && done < count) return;
  said = now;
  const rate = Math.round(done / (now - began) * 1000);
  const heap = Math.round(Deno.memoryUsage().rss / 2 ** 20);
  say(`${done} inputs, ${rate}/s, ${failures} wrong, ${heap} MiB resident`);
}

await Promise.all(Array.from({ length: jobs }, async (_, job) => {
  const url = new URL("./fuzz_worker.ts", import.meta.url);
  const worker = new Worker(url, { type: "module" });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  worker.onmessage = ({ data }: MessageEvent<Report>) => {
    take(data);
    if (data.isLast || failures >= ENOUGH) resolve();
  };
  worker.onerror = (event) => {
    event.preventDefault();
    reject(new Error(event.message));
  };
  const end = from + count;
  const work: Work = { seed, from: from + job, end, step: jobs, target };
  worker.postMessage(work);
  await promise;
  worker.terminate();
}));

const seconds = ((performance.now() - began) / 1000).toFixed(1);
const shares = Array.from(counts, ([name, some]) => `${name} ${some}`).join(
  ", ",
);
say(
  `${done} inputs (${shares}), ${bytes} bytes, in ${seconds} s: ${failures} wrong`,
);
Deno.exit(failures === 0 ? 0 : 1);
