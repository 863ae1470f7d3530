// deno run --allow-net=127.0.0.1 examples/autobahn_server.ts
//
// The server that the Autobahn test suite tests: it sends back every message. Then
// `wstest --mode fuzzingclient --spec spec.json`, with the URL below in the spec.

import { acceptUpgrade } from "@noio/ws/handshake";
import { permessageDeflate } from "@noio/ws/permessage-deflate";
import { echo } from "./echo_server.ts";
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
import { transportOf } from "./transport.ts";

const HELP = `
Sends back every message, with permessage-deflate: to be tested by Autobahn.

  deno run --allow-net=127.0.0.1 examples/autobahn_server.ts [options] [port]

  [port]                    where to listen, 0 for any that is free [9001]
${SERVER_HELP}
`;

const { values, positionals } = parse(HELP, SERVER_OPTIONS);
const port = numberOf("port", positionals[0] ?? "9001");
const timeout = timeoutOf(values);
const leaving = interruption();
const extensions = [permessageDeflate({ threshold: 0 })];

const listener = listen({ hostname: values.hostname, port });
console.log(`Echoing on ws://${hostOf(listener)}/ (Ctrl-C ends it)`);

await serve(listener, async (conn) => {
  const signal = AbortSignal.any([leaving, AbortSignal.timeout(timeout)]);
  const upgrade = await acceptUpgrade(conn, { signal, extensions });
  if (upgrade.accepted) {
    await echo(transportOf(conn), upgrade.connection, leaving);
  }
}, leaving);
