// deno run --allow-net=127.0.0.1 examples/echo_server.ts [port]
//
// Sends back every message, as its parts arrive: one of any size takes no more
// memory than another. The core as it is: bytes in, events out, bytes out.
// (`websocket_stream.ts` is more comfortable; this is how to be fast.)

import { concat } from "@std/bytes";
import type { Connection, ReceivedEvent } from "@noio/ws";
import { acceptUpgrade } from "@noio/ws/handshake";
import {
  hostOf,
  interruption,
  listen,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
  timeoutOf,
} from "./program.ts";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

type Memory = Uint8Array<ArrayBuffer>;

/** Up to this much in one read, the answers are joined. */
const SHORT_BYTES = 4096;

/** From how many bytes on a message is worth a view of where it is to go. */
const LARGE_BYTES = 1024;

/** As much as one read can bring, and its heads. */
const LONG_BYTES = 266_240;

/** Memory for answers that is free. A connection takes some only while it writes. */
const spare: Memory[] = [];

/** How much of it is kept, for the time when many write at once has passed. */
const SPARE_COUNT = 16;

const HELP = `
Sends back every message.

  deno run --allow-net=127.0.0.1 examples/echo_server.ts [options] [port]

  [port]                    where to listen, 0 for any that is free [8080]
${SERVER_HELP}
`;

/**
 * Sends back every message of one peer, until the connection is closed.
 *
 * @param transport The stream of bytes, which is closed at the end
 * @param ws The connection
 * @param leaving Closes the connection with 1001
 */
export async function echo(
  transport: Transport,
  ws: Connection,
  leaving: AbortSignal,
): Promise<void> {
  let isWriting = true; // the loop begins with it
  let length = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  const goodbye = () =>
    ws.state === "open"
      ? ws.send({ type: "close", statusCode: 1001 })
      : new Uint8Array(0);
  const leave = () => {
    // Two writes at a time would mix their bytes: the loop comes to it.
    if (!isWriting) transport.write(goodbye()).catch(() => {});
    timer = setTimeout(() => transport.close(), 5000);
  };
  leaving.addEventListener("abort", leave);
  if (leaving.aborted) leave();
  try {
    do {
      isWriting = true;
      if (length > SHORT_BYTES) {
        await answerLong(transport, ws);
      } else {
        const bytes = answerShort(ws);
        if (bytes.length > 0) await transport.write(bytes);
      }
      if (leaving.aborted) await transport.write(goodbye());
      isWriting = false;
      if (ws.summary !== undefined) break;
      const chunk = await transport.read();
      length = chunk?.length ?? 0;
      ws.recv(chunk);
    } while (true);
    await closeTransport(transport, ws);
  } finally {
    leaving.removeEventListener("abort", leave);
    clearTimeout(timer);
    transport.close();
  }
}

/** The answers to all that one read has brought, for one write. */
function answerShort(ws: Connection): Memory {
  const answers = Array.from(ws.events(), (event) => answer(ws, event));
  return answers.length === 1 ? answers[0] : concat(answers);
}

/**
 * Writes them where much was read: most of what that costs is fresh memory, so the
 * answers go to memory that is used again.
 */
async function answerLong(transport: Transport, ws: Connection): Promise<void> {
  const buffer = spare.pop() ?? new Uint8Array(LONG_BYTES);
  let end = 0;
  for (const event of ws.events()) {
    const bytes = answer(ws, event, buffer, end);
    if (bytes.length < LARGE_BYTES || bytes.buffer !== buffer.buffer) {
      if (end + bytes.length > buffer.length) {
        await transport.write(buffer.subarray(0, end));
        end = 0;
      }
      if (bytes.length > buffer.length) {
        await transport.write(bytes);
        continue;
      }
      buffer.set(bytes, end);
    }
    end += bytes.length;
  }
  if (end > 0) await transport.write(buffer.subarray(0, end));
  if (spare.length < SPARE_COUNT) spare.push(buffer);
}

/** The answer to an event; a large one in the buffer, if there is room. */
function answer(
  ws: Connection,
  event: ReceivedEvent,
  buffer?: Memory,
  end = 0,
): Memory {
  switch (event.type) {
    case "text":
    case "binary":
    case "continue":
      if (ws.state !== "open") return new Uint8Array(0); // we are leaving
      return event.message.length < LARGE_BYTES
        ? ws.send(event)
        : ws.send(event, buffer?.subarray(end));
    default:
      return ws.reply(event);
  }
}

if (import.meta.main) {
  const { values, positionals } = parse(HELP, SERVER_OPTIONS);
  const port = numberOf("port", positionals[0] ?? "8080");
  const timeout = timeoutOf(values);
  const leaving = interruption();
  const listener = listen({ hostname: values.hostname, port });
  console.log(`Echoing on ws://${hostOf(listener)}/ (Ctrl-C ends it)`);

  await serve(listener, async (conn) => {
    // Who does not finish the handshake in time is not waited for.
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeout)]);
    // By chunk no message has to be held, so none is too long.
    const connection = {
      delivery: "chunk",
      maxMessageBytes: Infinity,
    } as const;
    const upgrade = await acceptUpgrade(conn, { signal, connection });
    if (upgrade.accepted) {
      await echo(transportOf(conn), upgrade.connection, leaving);
    }
  }, leaving);
}
