// Whole echo servers side by side: `deno task bench:echo [filter]`.
//
// Each server is a process of its own on loopback, and the same load generator,
// `wsload.c`, drives them in turn; of several rounds the best counts, so that a
// busy machine harms nobody in particular. For each load all start afresh: the
// peak of memory is of that load alone.
//
// The last line is one JSON object of ratios, our messages per second over
// theirs: higher is better for us. A load is called connections x messages in
// flight on each x bytes of a message. A filter takes the loads whose name it is a
// part of.

// deno-lint-ignore-file no-console -- a program that prints what it finds

import { constants, deflateRawSync } from "node:zlib";
import { OURS, type Server, startAll, Workshop } from "./servers/launch.ts";

const ROUNDS = 8;
const SECONDS = 0.6;
const KIB = 1024;

interface Load {
  readonly name: string;
  readonly connections: number;
  readonly depth: number;
  readonly size: number;
  readonly deflate: boolean;
}

function load(
  connections: number,
  depth: number,
  size: number,
  unit: "" | "KiB" | "MiB" = "",
  deflate = false,
): Load {
  return {
    name: `${connections}x${depth}x${size}${unit}${deflate ? " deflate" : ""}`,
    connections,
    depth,
    size: size * { "": 1, KiB: KIB, MiB: KIB * KIB }[unit],
    deflate,
  };
}

const LOADS: readonly Load[] = [
  load(1, 1, 16),
  load(64, 1, 16),
  load(1, 64, 16),
  load(16, 64, 125),
  load(16, 4, 16, "KiB"),
  load(4, 2, 1, "MiB"),
  load(16, 16, 1, "KiB", true),
];

/** What the load generator reports: messages per second, and microseconds. */
interface Report {
  readonly rate: number;
  readonly median: number;
  readonly p99: number;
}

/** What `wsload` exits with where a server does not agree to compress. */
const DECLINED = 3;

async function drive(
  program: string,
  { connections, depth, size }: Load,
  { name, port }: Server,
  deflated: string | undefined,
): Promise<Report> {
  const numbers = [port, connections, depth, size, SECONDS].map(String);
  const { code, stdout, stderr } = await new Deno.Command(program, {
    args: deflated === undefined ? numbers : [...numbers, deflated],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    signal: AbortSignal.timeout(60_000),
  }).output();
  if (code === 0) return JSON.parse(new TextDecoder().decode(stdout));
  throw new Error(
    code === DECLINED
      ? `${name} declines permessage-deflate without context takeover`
      : `The load on ${name} has failed: ${new TextDecoder().decode(stderr)}`,
  );
}

/** A text of JSON, of exactly so many bytes of ASCII. */
function jsonOf(length: number): string {
  const names = ["Ada", "Barbara", "Edsger", "Grace", "Leslie", "Niklaus"];
  const items = Array.from({ length: 100 }, (_, id) => ({
    id: id * 7919 % 9973,
    name: names[id * 5 % names.length],
    active: id % 3 === 0,
    score: Number((id * 37.7 % 91).toFixed(2)),
  }));
  return JSON.stringify(items).slice(0, length - 2) + "}]";
}

/** The payload of a compressed message (RFC 7692, section 7.2.1). */
function deflate(text: string): Uint8Array {
  const finishFlush = constants.Z_SYNC_FLUSH;
  return deflateRawSync(text, { finishFlush }).subarray(0, -4);
}

/** The better of two reports, line by line. */
function best(a: Report | undefined, b: Report): Report {
  return a === undefined ? b : {
    rate: Math.max(a.rate, b.rate),
    median: Math.min(a.median, b.median),
    p99: Math.min(a.p99, b.p99),
  };
}

const [filter = ""] = Deno.args;
const ratios: Record<string, number> = {};

await using workshop = await Workshop.open();
const program = await workshop.compileLoad();
const { contenders, skipped } = await workshop.field();
const deflated = await workshop.write("json", deflate(jsonOf(KIB)));

console.log(
  `The best of ${ROUNDS} rounds of ${SECONDS} s, and ratios to each peer; ` +
    "latency in microseconds, median and 99th percentile; " +
    "peak memory of the server.",
);
for (const line of skipped) console.log(`Skipped: ${line}`);

for (const load of LOADS) {
  if (!load.name.includes(filter)) continue;
  console.log(`\n${load.name}`);
  const commands: [name: string, command: readonly string[]][] = [];
  for (const { name, command, deflating } of contenders) {
    const chosen = load.deflate ? deflating : command;
    if (chosen !== undefined) commands.push([name, chosen]);
    else console.log(`  ${name.padEnd(24)} skipped: it cannot compress`);
  }
  await using started = await startAll(commands);
  const { servers } = started;
  const reports = new Map<Server, Report>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const server of servers) {
      const file = load.deflate ? deflated : undefined;
      const report = await drive(program, load, server, file);
      reports.set(server, best(reports.get(server), report));
    }
  }
  const [ours] = reports.values();
  for (const [server, { rate, median, p99 }] of reports) {
    const { name } = server;
    const peak = await server.memory("VmHWM") / KIB / KIB;
    const ratio = Number(((ours?.rate ?? NaN) / rate).toPrecision(3));
    if (name !== OURS) ratios[`${load.name} / ${name}`] = ratio;
    console.log(
      "  " + [
        name.padEnd(24),
        `${rate.toFixed(0).padStart(9)} msg/s`,
        (name === OURS ? "" : `${ratio}x`).padStart(8),
        `${median.toFixed(0).padStart(8)} us`,
        `${p99.toFixed(0).padStart(8)} us`,
        `${peak.toFixed(0).padStart(6)} MiB`,
      ].join("  "),
    );
  }
}
console.log(`\n${JSON.stringify(ratios)}`);
