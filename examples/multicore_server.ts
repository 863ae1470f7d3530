// deno run --unstable-net --allow-net=127.0.0.1 --allow-run examples/multicore_server.ts
//
// Sends back every message, with one process for each core. All of them listen on the
// same port (SO_REUSEPORT), and the system hands each client to one of them. Linux
// only: elsewhere one of them gets all. (`--allow-run=deno` will do where the PATH has
// the Deno that this is run with.)

import {
  fail,
  hostOf,
  interruption,
  listen,
  messageOf,
  numberOf,
  parse,
  SERVER_HELP,
  SERVER_OPTIONS,
  serveWebSockets,
  timeoutOf,
} from "./program.ts";

const HELP = `
Sends back every message, with one process for each core. The field X-Process of the
response says which one it is.

  deno run --unstable-net --allow-net=127.0.0.1 --allow-run \\
    examples/multicore_server.ts [options] [port]

  [port]                    where to listen, 0 for any that is free [8080]
  --processes=<n>           how many there are [as many as cores]
${SERVER_HELP}
`;

const { values, positionals } = parse(HELP, {
  ...SERVER_OPTIONS,
  processes: { type: "string", default: `${navigator.hardwareConcurrency}` },
  process: { type: "string", default: "1" }, // which one this is
});
const port = numberOf("port", positionals[0] ?? "8080");
const count = numberOf("processes", values.processes, 1024);
const number = numberOf("process", values.process, 1024);
const { hostname } = values;
const handshakeTimeout = timeoutOf(values);

/** Starts another process, which ends when its input does: ours, or we. */
function start(number: number, port: number): Deno.ChildProcess {
  const command = new Deno.Command(Deno.execPath(), {
    args: [
      ...[
        "run",
        "--quiet",
        "--no-lock",
        "--unstable-net", // for `reusePort`
        `--allow-net=${hostname}`,
        import.meta.url,
      ],
      ...[`--hostname=${hostname}`, `--handshake-timeout=${handshakeTimeout}`],
      ...[`--process=${number}`, `${port}`],
    ],
    stdin: "piped",
    stdout: "piped",
  });
  try {
    return command.spawn();
  } catch (error) {
    return fail(`Cannot start a process: ${messageOf(error)}`);
  }
}

/** Resolves when a process has said that it listens. */
async function ready({ stdout }: Deno.ChildProcess): Promise<void> {
  const reader = stdout.getReader();
  const { done } = await reader.read();
  if (done) fail("Cannot start a process");
  reader.releaseLock();
  stdout.pipeTo(new WritableStream()).catch(() => {}); // there is no more
}

/** Aborts at the end of the input. Ctrl-C, which all get, is the first one's. */
function endOfInput(): AbortSignal {
  const controller = new AbortController();
  Deno.addSignalListener("SIGINT", () => {});
  Deno.stdin.readable.pipeTo(new WritableStream())
    .finally(() => controller.abort());
  return controller.signal;
}

const listener = listen({ hostname, port, reusePort: true });
const leaving = number === 1 ? interruption() : endOfInput();

const others = number > 1 ? [] : Array.from(
  { length: count - 1 },
  (_, i) => start(i + 2, listener.addr.port),
);
await Promise.all(others.map(ready));
leaving.addEventListener("abort", () => {
  for (const { stdin } of others) stdin.close().catch(() => {});
});
for (const { status } of others) {
  status.then(({ code }) => {
    if (!leaving.aborted) fail(`A process has ended with ${code}`);
  });
}
console.log(
  number === 1
    ? `Echoing on ws://${
      hostOf(listener)
    }/ with ${count} processes (Ctrl-C ends it)`
    : "ready",
);

await serveWebSockets(
  listener,
  { handshakeTimeout, headers: { "X-Process": `${number}` } },
  (_ws, { readable, writable }) => readable.pipeTo(writable),
  leaving,
);
await Promise.all(others.map(({ status }) => status));
