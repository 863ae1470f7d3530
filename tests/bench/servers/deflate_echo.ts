// deno run --allow-net=127.0.0.1 tests/bench/servers/deflate_echo.ts [portable]
//
// The loop of `examples/echo_server.ts` with permessage-deflate: on `node:zlib`,
// or on the portable codec.

// deno-lint-ignore-file no-console -- it says where it listens

import { concat } from "@std/bytes";
import { acceptUpgrade } from "@noio/ws/handshake";
import { pakoCodec, permessageDeflate } from "@noio/ws/permessage-deflate";
import { zlibCodec } from "@noio/ws/zlib-codec";
import { closeTransport, transportOf } from "../../../examples/transport.ts";

const codec = Deno.args[0] === "portable" ? pakoCodec : zlibCodec;
const extensions = [permessageDeflate({ codec })];

async function handle(conn: Deno.Conn): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  const upgrade = await acceptUpgrade(conn, { signal, extensions });
  if (!upgrade.accepted) return;
  const ws = upgrade.connection;
  const transport = transportOf(conn);
  try {
    do {
      const answers = Array.from(
        ws.events(),
        (event) =>
          event.type === "text" || event.type === "binary"
            ? ws.send(event)
            : ws.reply(event),
      );
      if (answers.length > 0) await transport.write(concat(answers));
      if (ws.summary !== undefined) break;
      ws.recv(await transport.read());
    } while (true);
    await closeTransport(transport, ws);
  } finally {
    transport.close();
  }
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(`Echoing on ws://127.0.0.1:${listener.addr.port}/`);
for await (const conn of listener) handle(conn).catch(() => {});
