// deno run --allow-net=127.0.0.1 --allow-read --allow-write examples/large_file.ts receive
// deno run --allow-net=127.0.0.1 --allow-read examples/large_file.ts send <file>
//
// Sends a file of any size as one message, in constant memory at both ends, and
// compares checksums.

import { createHash } from "node:crypto";
import {
  fail,
  interruption,
  messageOf,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
} from "./program.ts";
import { WebSocketStream } from "./websocket_stream.ts";

const HELP = `
Sends a file of any size as one message.

  deno run --allow-net=127.0.0.1 --allow-write examples/large_file.ts \\
    receive [options] [port]
  deno run --allow-net=127.0.0.1 --allow-read examples/large_file.ts \\
    send [--size=<bytes>] <file> [url]

  [port]                    where to listen, 0 for any that is free [8080]
  --to=<file>               where to put what is received [nowhere]
  <file>                    what to send
  --size=<bytes>            how many zeros to send; then no file is read
  [url]                     where to send it [ws://127.0.0.1:8080/]
${SERVER_HELP}

\`send\` exits with 0 if the SHA-256 of what was received is that of the file.
`;

const PIECE = 262_144;

const { values, positionals } = parse(HELP, {
  ...SERVER_OPTIONS,
  to: { type: "string" },
  size: { type: "string" },
}, 3);
const [command, ...rest] = positionals;
const limit = values["handshake-timeout"];
const handshakeTimeout = numberOf("handshake-timeout", limit, 3_600_000);
const leaving = interruption();

/** A bar that grows, on a terminal; elsewhere a line for each tenth. */
function progress(total: number): (done: number) => void {
  const isTerminal = Deno.stderr.isTerminal();
  const steps = isTerminal ? 100 : 10;
  let shown = -1;
  return (done) => {
    const step = total === 0 ? steps : Math.floor(steps * done / total);
    if (step === shown) return;
    shown = step;
    const bar = "#".repeat(step * 40 / steps).padEnd(40, ".");
    const line = `[${bar}] ${step * 100 / steps} %`;
    console.error(isTerminal ? `\x1b[1A\x1b[2K${line}` : line);
  };
}

/** The pieces of the file, or of zeros, each good until the next one. */
async function* pieces(
  file: Deno.FsFile | undefined,
  size: number,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const buffer = new Uint8Array(PIECE);
  for (let done = 0; done < size;) {
    const most = Math.min(PIECE, size - done);
    const count = file === undefined
      ? most
      : await file.read(buffer.subarray(0, most));
    if (count === null) throw new Error("The file has become shorter");
    done += count;
    yield buffer.subarray(0, count);
  }
}

async function send(path: string | undefined, url: string): Promise<void> {
  const file = path === undefined ? undefined : await Deno.open(path);
  const size = file === undefined
    ? Number(values.size)
    : (await file.stat()).size;
  const ws = new WebSocketStream(url, {
    signal: leaving,
    extensions: [], // most large files are compressed already
  });
  const { readable, writable } = await ws.opened;
  const writer = writable.getWriter();
  const hash = createHash("sha256");
  const show = progress(size);
  let done = 0;
  show(0);
  // One message of as many frames as there are pieces, and an empty last one.
  let type: "binary" | "continue" = "binary";
  for await (const piece of pieces(file, size)) {
    hash.update(piece);
    // A write waits while the receiver is slower than we.
    await writer.write({ type, message: piece, fin: false });
    type = "continue";
    show(done += piece.length);
  }
  await writer.write({ type });
  const ours = hash.digest("hex");
  const { value: theirs } = await readable.getReader().read();
  ws.close();
  await ws.closed;
  if (theirs !== ours) fail(`It was changed: ${ours} became ${theirs}`);
  console.log(`${done} bytes sent, SHA-256 ${ours}`);
}

/** Receives messages, and answers each with the checksum of what has come. */
async function receive(conn: Deno.Conn): Promise<void> {
  // A part of a message comes as soon as it is there: the last is told by `fin`.
  let end = -1;
  let arrived = 0;
  const ws = WebSocketStream.accept(conn, {
    handshakeTimeout,
    extensions: [],
    connection: { delivery: "chunk", maxMessageBytes: Infinity },
    onEvent(event) {
      if (event.type !== "binary" && event.type !== "continue") return;
      arrived += event.message.length;
      if (event.fin) end = arrived;
    },
  });
  const leave = () => ws.close({ closeCode: 1001 });
  leaving.addEventListener("abort", leave);
  const file = values.to === undefined
    ? undefined
    : await Deno.open(values.to, { write: true, create: true, truncate: true });
  try {
    const { readable, writable } = await ws.opened;
    const writer = writable.getWriter();
    let hash = createHash("sha256");
    let done = 0;
    for await (const part of readable) {
      if (typeof part === "string") throw new TypeError("A text has come");
      hash.update(part);
      for (let at = 0; file !== undefined && at < part.length;) {
        at += await file.write(part.subarray(at));
      }
      done += part.length;
      if (done !== end) continue;
      const sum = hash.digest("hex");
      console.log(`${done} bytes received, SHA-256 ${sum}`);
      await writer.write(sum);
      hash = createHash("sha256");
      done = arrived = 0;
    }
    await ws.closed;
  } finally {
    ws.close();
    file?.close();
    leaving.removeEventListener("abort", leave);
  }
}

if (command === "receive" && rest.length <= 1) {
  const port = numberOf("port", rest[0] ?? "8080");
  const listener = Deno.listen({ hostname: values.hostname, port });
  const { hostname, port: bound } = listener.addr;
  console.log(`Receiving on ws://${hostname}:${bound}/ (Ctrl-C ends it)`);
  await serve(listener, receive, leaving);
} else if (command === "send") {
  const path = values.size === undefined ? rest.shift() : undefined;
  if (path === undefined && values.size === undefined) {
    fail("There is no file; see --help", 2);
  }
  await send(path, rest[0] ?? "ws://127.0.0.1:8080/")
    .catch((error) => fail(messageOf(error)));
} else fail("Say `send` or `receive`; see --help", 2);
