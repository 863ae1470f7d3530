// deno run --allow-net=127.0.0.1 examples/echo_server.ts [port]
//
// Sends back every message. The core as it is: bytes in, events out, bytes out.

import { concat } from "@std/bytes";
import type { Connection } from "@noio/ws";
import { acceptUpgrade } from "@noio/ws/handshake";
import { closeTransport, type Transport, transportOf } from "./transport.ts";

/** Serves the clients of a listener until it is closed. */
export async function serve(listener: Deno.Listener): Promise<void> {
  for await (const conn of listener) {
    // No client can end the server: what goes wrong with one ends here.
    handle(conn).catch((error) => console.error(`${error}`));
  }
}

async function handle(conn: Deno.Conn): Promise<void> {
  // Who does not finish the handshake in time is not waited for.
  const signal = AbortSignal.timeout(10_000);
  const upgrade = await acceptUpgrade(conn, { signal });
  if (upgrade.accepted) await echo(transportOf(conn), upgrade.connection);
}

/** Sends back every message of one client. */
async function echo(transport: Transport, ws: Connection): Promise<void> {
  try {
    do {
      // All that one read has brought is answered with one write.
      const answers = Array.from(
        ws.events(),
        (event) =>
          event.type === "text" || event.type === "binary"
            ? ws.send(event)
            : ws.reply(event),
      );
      if (answers.length > 0) await transport.write(join(answers));
      if (ws.summary !== undefined) break;
      ws.recv(await transport.read());
    } while (true);
    await closeTransport(transport, ws);
  } finally {
    transport.close();
  }
}

function join(chunks: Uint8Array<ArrayBuffer>[]): Uint8Array<ArrayBuffer> {
  return chunks.length === 1 ? chunks[0] : concat(chunks);
}

if (import.meta.main) {
  const port = Number(Deno.args[0] ?? 8080);
  const listener = Deno.listen({ hostname: "127.0.0.1", port });
  Deno.addSignalListener("SIGINT", () => listener.close());
  const { hostname, port: bound } = listener.addr;
  console.log(`Echoing on ws://${hostname}:${bound}/ (Ctrl-C ends it)`);
  await serve(listener);
}
