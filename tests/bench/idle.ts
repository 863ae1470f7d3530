// What idle connections cost: `deno task bench:idle [connections]`.
//
// Each server is a process of its own on loopback. It is given some connections
// to warm up, which go; then so many that stay, and send nothing. What its memory
// grew by, divided by their number, is what one costs; it is measured when no
// collector has been asked to tidy up, as nobody asks in production. It needs
// Linux.
//
// The last line is one JSON object of ratios, their bytes over ours: higher is
// better for us.

// deno-lint-ignore-file no-console -- a program that prints what it finds

import { OURS, type Server, startAll, Workshop } from "./servers/launch.ts";

const WARM_UP = 200;
const ROUNDS = 3;
/** How long a server is given to settle, in milliseconds. */
const SETTLE = 1000;

/** Holds connections open while some work is done. */
async function holding<T>(
  program: string,
  { name, port }: Server,
  count: number,
  work: () => Promise<T>,
): Promise<T> {
  const child = new Deno.Command(program, {
    args: [port, count, 0, 0, 60].map(String),
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  try {
    const { value } = await reader.read();
    if (value === undefined) throw new Error(`${name} takes no connections`);
    return await work();
  } finally {
    await child.stdin.close();
    await reader.cancel();
    await child.status;
  }
}

function pause(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, SETTLE));
}

/** Bytes that each of `count` idle connections costs. */
async function cost(
  program: string,
  server: Server,
  count: number,
): Promise<number> {
  await holding(program, server, WARM_UP, pause);
  await pause();
  const before = await server.memory("VmRSS");
  return await holding(program, server, count, async () => {
    await pause();
    return (await server.memory("VmRSS") - before) / count;
  });
}

const connections = Number(Deno.args[0] ?? 2000);
const ratios: Record<string, number> = {};

await using workshop = await Workshop.open();
const program = await workshop.compileLoad();
const { contenders, skipped } = await workshop.field();
console.log(
  `Memory for each of ${connections} idle connections: the least of ${ROUNDS} processes.`,
);
for (const line of skipped) console.log(`Skipped: ${line}`);
const least = new Map<string, number>();
for (let round = 0; round < ROUNDS; round++) {
  for (const { name, command } of contenders) {
    await using started = await startAll([[name, command]]);
    for (const server of started.servers) {
      const bytes = await cost(program, server, connections);
      least.set(name, Math.min(least.get(name) ?? Infinity, bytes));
    }
  }
}
const ours = least.get(OURS) ?? NaN;
for (const [name, bytes] of least) {
  const ratio = Number((bytes / ours).toPrecision(3));
  if (name !== OURS) ratios[name] = ratio;
  console.log(
    `${name.padEnd(24)} ${(bytes / 1024).toFixed(1).padStart(7)} KiB` +
      (name === OURS ? "" : `  ${ratio}x`),
  );
}
console.log(JSON.stringify(ratios));
