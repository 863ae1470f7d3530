// The receiving end of `large_file.ts`: a message of any size becomes a file and a
// checksum, part by part, and none is kept.

import { createHash } from "node:crypto";
import { WebSocketStream } from "./websocket_stream.ts";

/** To write alone; `Deno.create` also asks to read. */
const OVERWRITE = { write: true, create: true, truncate: true };

/** What a receiver has to know. */
export interface ReceiverOptions {
  /** Where to put what is received, if anywhere. */
  readonly to: string | undefined;
  /** How long a client may take to ask, in milliseconds. */
  readonly handshakeTimeout: number;
  /** Closes the connection with 1001. */
  readonly leaving: AbortSignal;
}

/** Receives messages, and answers each with the checksum of what has come. */
export async function receiveFiles(
  conn: Deno.Conn,
  { to, handshakeTimeout, leaving }: ReceiverOptions,
): Promise<void> {
  // A part of a message comes as soon as it is there; which one is the last, the
  // events tell.
  const ends: boolean[] = [];
  const ws = WebSocketStream.accept(conn, {
    handshakeTimeout,
    extensions: [],
    connection: { delivery: "chunk", maxMessageBytes: Infinity },
    onEvent(event) {
      if (event.type === "binary" || event.type === "continue") {
        ends.push(event.fin);
      }
    },
  });
  const leave = () => ws.close({ closeCode: 1001 });
  leaving.addEventListener("abort", leave);
  let file: Deno.FsFile | undefined;
  let hash = createHash("sha256");
  let done = 0;
  try {
    const { readable, writable } = await ws.opened;
    const writer = writable.getWriter();
    for await (const part of readable) {
      if (typeof part === "string") throw new TypeError("A text has come");
      if (to !== undefined) {
        file ??= await Deno.open(to, OVERWRITE);
        for (let at = 0; at < part.length;) {
          at += await file.write(part.subarray(at));
        }
      }
      hash.update(part);
      done += part.length;
      if (!ends.shift()) continue;
      const sum = hash.digest("hex");
      console.log(`${done} bytes received, SHA-256 ${sum}`);
      await writer.write(sum);
      file?.close();
      file = undefined;
      hash = createHash("sha256");
      done = 0;
    }
    await ws.closed;
  } finally {
    if (done > 0) console.error(`Interrupted after ${done} bytes`);
    ws.close();
    file?.close();
    leaving.removeEventListener("abort", leave);
  }
}
