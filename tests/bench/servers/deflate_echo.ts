// deno run --allow-all tests/bench/servers/deflate_echo.ts [zlib]
//
// `examples/echo_server.ts` with permessage-deflate: on the portable codec, which
// is the default of the package, or on `node:zlib`.

// deno-lint-ignore-file no-console -- it says where it listens

import { acceptUpgrade } from "@noio/ws/handshake";
import { permessageDeflate, portableCodec } from "@noio/ws/permessage-deflate";
import { zlibCodec } from "@noio/ws/zlib-codec";
import { echo } from "../../../examples/echo_server.ts";
import { transportOf } from "../../../examples/transport.ts";

const codec = Deno.args[0] === "zlib" ? zlibCodec : portableCodec;
const extensions = [permessageDeflate({ codec })];
const leaving = new AbortController().signal;

async function handle(conn: Deno.Conn): Promise<void> {
  const signal = AbortSignal.timeout(10_000);
  const upgrade = await acceptUpgrade(conn, { signal, extensions });
  if (!upgrade.accepted) return;
  return echo(transportOf(conn), upgrade.connection, leaving);
}

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
console.log(`Echoing on ws://127.0.0.1:${listener.addr.port}/`);
for await (const conn of listener) {
  handle(conn).catch(() => {}); // the load generator just goes
}
