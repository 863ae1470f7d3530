// deno run --allow-net=127.0.0.1 examples/echo_server.ts [port]
//
// Sends back every message. The core as it is: bytes in, events out, bytes out.
// (`websocket_stream.ts` is more comfortable; this is how to be fast.)

import { concat } from "@std/bytes";
import type { Connection } from "@noio/ws";
import { acceptUpgrade } from "@noio/ws/handshake";
import {
  interruption,
  numberOf,
  parse,
  serve,
  SERVER_HELP,
  SERVER_OPTIONS,
} from "./program.ts";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

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
  let isWriting = false;
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
  try {
    do {
      // All that one read has brought is answered with one write.
      const answers: Uint8Array<ArrayBuffer>[] = [];
      for (const event of ws.events()) {
        if (event.type !== "text" && event.type !== "binary") {
          answers.push(ws.reply(event));
        } else if (ws.state === "open") answers.push(ws.send(event));
      }
      if (answers.length > 0) {
        isWriting = true;
        await transport.write(join(answers));
        if (leaving.aborted) await transport.write(goodbye());
        isWriting = false;
      }
      if (ws.summary !== undefined) break;
      ws.recv(await transport.read());
    } while (true);
    await closeTransport(transport, ws);
  } finally {
    leaving.removeEventListener("abort", leave);
    clearTimeout(timer);
    transport.close();
  }
}

function join(chunks: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  return chunks.length === 1 ? chunks[0] : concat(chunks);
}

if (import.meta.main) {
  const { values, positionals } = parse(HELP, SERVER_OPTIONS);
  const port = numberOf("port", positionals[0] ?? "8080");
  const limit = values["handshake-timeout"];
  const timeout = numberOf("handshake-timeout", limit, 3_600_000);
  const leaving = interruption();
  const listener = Deno.listen({ hostname: values.hostname, port });
  const { hostname, port: bound } = listener.addr;
  console.log(`Echoing on ws://${hostname}:${bound}/ (Ctrl-C ends it)`);

  await serve(listener, async (conn) => {
    // Who does not finish the handshake in time is not waited for.
    const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeout)]);
    const upgrade = await acceptUpgrade(conn, { signal });
    if (upgrade.accepted) {
      await echo(transportOf(conn), upgrade.connection, leaving);
    }
  }, leaving);
}
