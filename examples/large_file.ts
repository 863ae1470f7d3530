// deno run --allow-net=127.0.0.1 --allow-write examples/large_file.ts receive --to=<file>
// deno run --allow-net=127.0.0.1 --allow-read examples/large_file.ts send <file>
//
// Sends a file of any size as one message, in constant memory at both ends, and
// compares checksums.

import { createHash } from "node:crypto";
import {
  fail,
  hostOf,
  interruption,
  listen,
  messageOf,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
  timeoutOf,
} from "./program.ts";
import { progressBar } from "./progress_bar.ts";
import { receiveFiles } from "./receive_files.ts";
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

\`send\` exits with 0 if the SHA-256 of what was received is that of the file, with 1
if not, or if it was interrupted; \`receive\` ends with Ctrl-C, and exits with 0.
`;

const PIECE = 262_144;

const { values, positionals } = parse(HELP, {
  ...SERVER_OPTIONS,
  to: { type: "string" },
  size: { type: "string" },
}, 3);
const [command, ...rest] = positionals;
const handshakeTimeout = timeoutOf(values);
const leaving = interruption();

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
    ? numberOf("size", values.size ?? "0", Number.MAX_SAFE_INTEGER)
    : (await file.stat()).size;
  const ws = new WebSocketStream(url, {
    extensions: [], // most large files are compressed already
  });
  leaving.addEventListener("abort", () => ws.close({ closeCode: 1001 }));
  const { readable, writable } = await ws.opened;
  const writer = writable.getWriter();
  const hash = createHash("sha256");
  const show = progressBar(size);
  let done = 0;
  try {
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
  } catch (error) {
    ws.close({ closeCode: 1001 });
    await ws.closed.catch(() => {});
    const what = `Interrupted after ${done} of ${size} bytes`;
    throw new Error(what, { cause: error });
  }
  const ours = hash.digest("hex");
  const { value: theirs } = await readable.getReader().read();
  ws.close();
  await ws.closed;
  if (theirs === undefined) throw new Error("There is no checksum in return");
  if (theirs !== ours) throw new Error(`It was changed: ${ours} is ${theirs}`);
  console.log(`${done} bytes sent, SHA-256 ${ours}`);
}

if (command === "receive" && rest.length <= 1) {
  const port = numberOf("port", rest[0] ?? "8080");
  const listener = listen({ hostname: values.hostname, port });
  console.log(`Receiving on ws://${hostOf(listener)}/ (Ctrl-C ends it)`);
  const receiver = { to: values.to, handshakeTimeout, leaving };
  await serve(listener, (conn) => receiveFiles(conn, receiver), leaving);
} else if (command === "send") {
  const path = values.size === undefined ? rest.shift() : undefined;
  if (path === undefined && values.size === undefined) {
    fail("There is no file; see --help", 2);
  }
  if (rest.length > 1) fail(`Unexpected argument '${rest[1]}'; see --help`, 2);
  await send(path, rest[0] ?? "ws://127.0.0.1:8080/")
    .catch((error) => fail(messageOf(error)));
} else fail("Say `send` or `receive`; see --help", 2);
